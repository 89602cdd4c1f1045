import type { Clock } from "@paddock/base/clock.ts";
import { TokenBucket } from "@paddock/base/token-bucket.ts";

/** Wrong signatures a second that one connection may cost us, each 0.1 ms of processor time. */
const FAILURES_PER_S = 10;
const FAILURES_BURST_S = 10;

interface Failures {
  readonly bucket: TokenBucket;
  blockedUntilUs: number;
}

/** Bounds what a connection can make us verify in vain. What was right costs it nothing. */
export class WrongSignatures {
  readonly #clock: Clock;
  readonly #byConnection = new WeakMap<object, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mayTry(connection: object): boolean {
    return this.#clock.monotonicUs() >= (this.#byConnection.get(connection)?.blockedUntilUs ?? 0);
  }

  failed(connection: object): void {
    let failures = this.#byConnection.get(connection);
    if (failures === undefined) {
      failures = { bucket: new TokenBucket(FAILURES_BURST_S), blockedUntilUs: 0 };
      this.#byConnection.set(connection, failures);
    }
    const nowUs = this.#clock.monotonicUs();
    failures.blockedUntilUs = nowUs + failures.bucket.take(FAILURES_PER_S, nowUs) * 1_000_000;
  }
}
