/** Upper ends of the buckets of timer lateness, in milliseconds; the last bucket has no end. */
export const LATENESS_BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;

const SECOND_US = 1_000_000;
/** Seconds of worst stalls kept, one figure a second. */
const KEPT_SECONDS = 120;
/** Lateness below this is the ordinary grain of timers. */
const NOTABLE_US = 2000;
const RECENT_MAX = 64;

export interface StallReport {
  /** Timers observed. */
  readonly samples: number;
  /** Counts per bucket of `LATENESS_BUCKETS_MS`, one more than it has entries. */
  readonly buckets: readonly number[];
  readonly worstMs: number;
  readonly worstLastMinuteMs: number;
}

/**
 * How late this process gets to run: fed with the due time and the actual time of every timer, it can say for any recent
 * moment how long the process was not there. That is what tells a dead path from a stalled observer.
 */
export class StallMeter {
  #samples = 0;
  #worstUs = 0;
  readonly #buckets: number[] = Array.from({ length: LATENESS_BUCKETS_MS.length + 1 }, () => 0);
  readonly #recent: { endedUs: number; lateUs: number }[] = [];
  readonly #worstOfSecond = new Map<number, number>();
  #heartbeatDueUs: number | undefined;

  /** A timer that was due at `dueUs` ran at `nowUs`. */
  note(dueUs: number, nowUs: number): void {
    const lateUs = Math.max(0, nowUs - dueUs);
    this.#samples++;
    this.#worstUs = Math.max(this.#worstUs, lateUs);
    const bucket = LATENESS_BUCKETS_MS.findIndex((endMs) => lateUs < endMs * 1000);
    this.#buckets[bucket === -1 ? LATENESS_BUCKETS_MS.length : bucket]!++;
    if (lateUs < NOTABLE_US) return;
    this.#recent.push({ endedUs: nowUs, lateUs });
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    const second = Math.floor(nowUs / SECOND_US);
    this.#worstOfSecond.set(second, Math.max(this.#worstOfSecond.get(second) ?? 0, lateUs));
    for (const kept of this.#worstOfSecond.keys()) {
      if (kept >= second - KEPT_SECONDS) break;
      this.#worstOfSecond.delete(kept);
    }
  }

  /** When the next heartbeat is due: a stall under way shows as its lateness before it has run. */
  expectHeartbeat(dueUs: number | undefined): void {
    this.#heartbeatDueUs = dueUs;
  }

  /** The longest stall that ended after `sinceUs` or goes on at `nowUs`, in microseconds; 0 if none worth naming. */
  worstSinceUs(sinceUs: number, nowUs: number): number {
    const underWayUs = this.#heartbeatDueUs === undefined ? 0 : nowUs - this.#heartbeatDueUs;
    let worstUs = underWayUs < NOTABLE_US ? 0 : underWayUs;
    for (const { endedUs, lateUs } of this.#recent) if (endedUs > sinceUs) worstUs = Math.max(worstUs, lateUs);
    return worstUs;
  }

  /** The longest stall of the last `seconds` (120 at most), in microseconds. */
  worstOfLastUs(seconds: number, nowUs: number): number {
    const first = Math.floor(nowUs / SECOND_US) - seconds;
    let worstUs = 0;
    for (const [second, lateUs] of this.#worstOfSecond) if (second > first) worstUs = Math.max(worstUs, lateUs);
    return worstUs;
  }

  report(nowUs: number): StallReport {
    return {
      samples: this.#samples,
      buckets: [...this.#buckets],
      worstMs: this.#worstUs / 1000,
      worstLastMinuteMs: this.worstOfLastUs(60, nowUs) / 1000,
    };
  }
}
