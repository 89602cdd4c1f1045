import type { Clock } from "@paddock/base/clock.ts";
import { TokenBucket } from "@paddock/base/token-bucket.ts";

/** Wrong signatures a second that one name on a connection may cost us, each 0.1 ms of processor time. */
const PER_NAME_PER_S = 10;
/** The same of all names on a connection together. */
const PER_CONNECTION_PER_S = 300;
const BURST_S = 10;
/** Names of which a connection's failures are remembered; the one that failed longest ago is forgotten. */
const NAMES_MAX = 1024;

interface Failures {
  readonly bucket: TokenBucket;
  blockedUntilUs: number;
}

interface Connection {
  readonly all: Failures;
  /** By gateway id. */
  readonly names: Map<string, Failures>;
}

/**
 * Bounds what a connection can make us verify in vain. What was right costs it nothing. An ingress brings many gateways
 * over one connection: who lies is told apart by the gateway that it says it is, so that it stops that one's proofs at most.
 */
export class WrongSignatures {
  readonly #clock: Clock;
  readonly #byConnection = new WeakMap<object, Connection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `name`: id of the gateway that is claimed, where the collector knows it; all others are one. */
  mayTry(connection: object, name = ""): boolean {
    const known = this.#byConnection.get(connection);
    if (known === undefined) return true;
    const nowUs = this.#clock.monotonicUs();
    return nowUs >= known.all.blockedUntilUs && nowUs >= (known.names.get(name)?.blockedUntilUs ?? 0);
  }

  failed(connection: object, name = ""): void {
    let known = this.#byConnection.get(connection);
    if (known === undefined) this.#byConnection.set(connection, (known = { all: newFailures(), names: new Map() }));
    this.#count(known.all, PER_CONNECTION_PER_S);
    const failures = known.names.get(name) ?? newFailures();
    this.#count(failures, PER_NAME_PER_S);
    known.names.delete(name);
    known.names.set(name, failures);
    if (known.names.size > NAMES_MAX) known.names.delete(known.names.keys().next().value!);
  }

  #count(failures: Failures, ratePerS: number): void {
    const nowUs = this.#clock.monotonicUs();
    failures.blockedUntilUs = nowUs + failures.bucket.take(ratePerS, nowUs) * 1_000_000;
  }
}

function newFailures(): Failures {
  return { bucket: new TokenBucket(BURST_S), blockedUntilUs: 0 };
}
