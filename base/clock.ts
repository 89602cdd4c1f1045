/**
 * Time as a parameter, so that protocol code runs in virtual time under test.
 */
export interface Clock {
  /** Microseconds of CLOCK_MONOTONIC; on Linux that counts from the boot of the machine. Never goes back. */
  monotonicUs(): number;
  /** Unix time in milliseconds, as far as this machine knows. May step. */
  wallMs(): number;
  /** Calls back once, not earlier than `delayMs` from now. */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  // A double holds microseconds exactly for 285 years of uptime.
  monotonicUs: () => Math.floor(Number(process.hrtime.bigint()) / 1000),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

interface Pending {
  readonly dueUs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told to; timers fire in order of due time, then of creation. */
export class VirtualClock implements Clock {
  #nowUs: number;
  #wallAtZeroMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(options: { wallMs?: number; monotonicUs?: number } = {}) {
    this.#nowUs = options.monotonicUs ?? 0;
    this.#wallAtZeroMs = (options.wallMs ?? 1_700_000_000_000) - this.#nowUs / 1000;
  }

  monotonicUs(): number {
    return this.#nowUs;
  }

  wallMs(): number {
    return Math.floor(this.#wallAtZeroMs + this.#nowUs / 1000);
  }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { dueUs: this.#nowUs + Math.max(0, Math.round(delayMs * 1000)), order: this.#order++, callback };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Steps the wall clock without moving monotonic time, as NTP does. */
  stepWall(deltaMs: number): void {
    this.#wallAtZeroMs += deltaMs;
  }

  /** Moves time on by `ms`, firing every timer that falls due on the way. */
  advance(ms: number): void {
    const endUs = this.#nowUs + Math.round(ms * 1000);
    for (let next = this.#next(endUs); next !== undefined; next = this.#next(endUs)) {
      this.#pending.delete(next);
      this.#nowUs = Math.max(this.#nowUs, next.dueUs);
      next.callback();
    }
    this.#nowUs = endUs;
  }

  #next(endUs: number): Pending | undefined {
    let best: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueUs > endUs) continue;
      if (
        best === undefined ||
        pending.dueUs < best.dueUs ||
        (pending.dueUs === best.dueUs && pending.order < best.order)
      ) {
        best = pending;
      }
    }
    return best;
  }
}
