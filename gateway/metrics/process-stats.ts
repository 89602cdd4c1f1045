import { readFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock, Timer } from "@paddock/base/clock.ts";

/** How often the event loop is probed; the probe's own interval is part of what the histogram records. */
const PROBE_MS = 10;
const WINDOW_MS = 60_000;

export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Delay of the event loop over the last whole minute, or since the start in the first one. */
export class LoopDelayMeter {
  readonly #histogram = monitorEventLoopDelay({ resolution: PROBE_MS });
  readonly #clock: Clock;
  #last: LoopDelay | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#histogram.enable();
    this.#roll();
  }

  read(): LoopDelay {
    const now = this.#snapshot();
    return this.#last === undefined || now.maxMs > this.#last.maxMs ? now : this.#last;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#histogram.disable();
  }

  #roll(): void {
    this.#timer = this.#clock.after(WINDOW_MS, () => {
      this.#last = this.#snapshot();
      this.#histogram.reset();
      this.#roll();
    });
  }

  #snapshot(): LoopDelay {
    return { p99Ms: beyond(this.#histogram.percentile(99)), maxMs: beyond(this.#histogram.max) };
  }
}

/** Milliseconds beyond the probe's own interval. */
function beyond(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - PROBE_MS);
}

/** Bytes that this process caused to be written to storage (proc_pid_io(5)); null where the kernel does not tell. */
export async function readWrittenBytes(path = "/proc/self/io"): Promise<number | null> {
  try {
    const match = /^write_bytes: (\d+)$/m.exec(await readFile(path, "utf8"));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}
