import type { Clock } from "@paddock/base/clock.ts";
import { TokenBucket } from "@paddock/base/token-bucket.ts";
import { BUSY_RETRY_S, errorAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Rollouts } from "./rollouts.ts";

/** A gateway asks once in some minutes and once for every start. */
const PER_S = 0.2;
const BURST = 32 / PER_S;
const RETRY_S = 10 * BUSY_RETRY_S;

/** `GET /v1/directives/{gateway}` of a gateway that has shown its key: docs/protocol.md §3.6. */
export class DirectiveAnswers {
  readonly #rollouts: Pick<Rollouts, "directiveFor">;
  readonly #clock: Clock;
  /** Of approved gateways only, so no more than there are. */
  readonly #rates = new Map<string, TokenBucket>();

  constructor(rollouts: Pick<Rollouts, "directiveFor">, clock: Clock) {
    this.#rollouts = rollouts;
    this.#clock = clock;
  }

  answer(gateway: string): Answer {
    let rate = this.#rates.get(gateway);
    if (rate === undefined) this.#rates.set(gateway, (rate = new TokenBucket(BURST)));
    if (rate.take(PER_S, this.#clock.monotonicUs()) > 0) {
      return errorAnswer(429, "busy", "This gateway asks too often for directives.", { retryAfterS: RETRY_S });
    }
    const directive = this.#rollouts.directiveFor(gateway);
    if (directive === undefined) return { status: 204 };
    return { status: 200, headers: { "content-type": 'application/cose; cose-type="cose-sign1"' }, body: directive };
  }
}
