import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { SinkPhase } from "./machine.ts";

/** What a sink's disk or server should be done with soon. A rebuild forgets as many rows as there are, and takes its time. */
const AT_WORK: ReadonlySet<SinkPhase> = new Set(["opening", "writing", "closing"]);
/** Longer than an honest chunk takes, and shorter than the patience of what a sink waits for. */
export const HANGS_AFTER_MS = 15_000;

/** Notices when a sink is at one thing for long: what hangs in a disk or a server that is away never fails. */
export class HangWatch {
  readonly #clock: Clock;
  readonly #onHang: (phase: SinkPhase) => void;
  #phase: SinkPhase | undefined;
  #sinceUs = 0;
  #timer: Timer | undefined;
  #hangs = false;

  /** `onHang` is told once for each thing that it hangs in. */
  constructor(clock: Clock, onHang: (phase: SinkPhase) => void) {
    this.#clock = clock;
    this.#onHang = onHang;
  }

  /** What the sink is at now; the same phase again is the same thing. Returns whether it hung in the one before. */
  enter(phase: SinkPhase): boolean {
    if (phase === this.#phase) return false;
    const hung = this.#hangs;
    this.#timer?.cancel();
    this.#phase = phase;
    this.#sinceUs = this.#clock.monotonicUs();
    this.#hangs = false;
    if (AT_WORK.has(phase)) {
      this.#timer = this.#clock.after(HANGS_AFTER_MS, () => {
        this.#hangs = true;
        this.#onHang(phase);
      });
    }
    return hung;
  }

  /** For people, while it hangs. */
  get problem(): string | undefined {
    if (!this.#hangs) return undefined;
    const seconds = Math.floor((this.#clock.monotonicUs() - this.#sinceUs) / 1_000_000);
    return `It has been ${this.#phase} for ${seconds} s: its disk or server does not answer. It goes on by itself when that does.`;
  }
}
