/** How much of its rate a source may save up, in seconds. */
const BURST_S = 2;

/** Frames that a source may still send. */
export class TokenBucket {
  tokens = Number.POSITIVE_INFINITY;
  refilledUs = 0;

  /**
   * Takes one token at this rate. Returns 0, or the seconds (rounded up) until there is one again. The first call fills
   * the bucket, and a rate that was lowered empties what is above the new brim.
   */
  take(framesPerS: number, nowUs: number): number {
    const brim = Math.max(1, framesPerS * BURST_S);
    const gained = (Math.max(0, nowUs - this.refilledUs) * framesPerS) / 1_000_000;
    const tokens = Math.min(brim, this.tokens + gained);
    this.refilledUs = nowUs;
    if (tokens >= 1) {
      this.tokens = tokens - 1;
      return 0;
    }
    this.tokens = tokens;
    return Math.max(1, Math.ceil((1 - tokens) / framesPerS));
  }
}
