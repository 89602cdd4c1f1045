/** How much of its rate a source may save up, in seconds, unless said otherwise. */
const BURST_S = 2;

/** What a source may still send. The rate is told with each take, so that it may change with the configuration. */
export class TokenBucket {
  readonly #burstS: number;
  #tokens = Number.POSITIVE_INFINITY;
  #refilledUs = 0;

  /** `burstS`: seconds' worth of the rate that may come at once, one token at least. */
  constructor(burstS: number = BURST_S) {
    this.#burstS = burstS;
  }

  /**
   * Takes one token at this rate, above 0. Returns 0, or the seconds (rounded up) until there is one again. `nowUs` is
   * CLOCK_MONOTONIC. The first call fills the bucket, and a rate that was lowered empties what is above the new brim.
   */
  take(ratePerS: number, nowUs: number): number {
    const brim = Math.max(1, ratePerS * this.#burstS);
    const gained = (Math.max(0, nowUs - this.#refilledUs) * ratePerS) / 1_000_000;
    const tokens = Math.min(brim, this.#tokens + gained);
    this.#refilledUs = nowUs;
    if (tokens >= 1) {
      this.#tokens = tokens - 1;
      return 0;
    }
    this.#tokens = tokens;
    return Math.max(1, Math.ceil((1 - tokens) / ratePerS));
  }
}
