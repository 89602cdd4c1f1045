import type { Clock } from "@paddock/base/clock.ts";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { ClockQualitySource } from "./ports.ts";

/** A wall clock that moved against the monotonic one by more than this was stepped. */
const STEP_MS = 1000;

/** Unix ms of one instant as the clock had it, and as it has it now. */
export interface ClockStep {
  readonly before: number;
  readonly after: number;
}

/** Gives each batch of a lane its time, and notices when the wall clock stepped or gained quality between two of them. */
export class BatchClock {
  readonly #clock: Clock;
  readonly #source: ClockQualitySource;
  /** Wall minus monotonic clock in ms when the newest batch was begun, and the quality then. */
  #drift: { readonly ms: number; readonly quality: ClockQuality } | undefined;

  constructor(clock: Clock, source: ClockQualitySource) {
    this.#clock = clock;
    this.#source = source;
  }

  /** Begins a batch at CLOCK_MONOTONIC `receivedUs`; the step, if there was one, is for its payload. */
  begin(batch: OpenBatch, receivedUs: number): ClockStep | undefined {
    const quality = this.#source.quality();
    const driftMs = this.#clock.wallMs() - this.#clock.monotonicUs() / 1000;
    const after = Math.round(driftMs + receivedUs / 1000);
    const previous = this.#drift;
    this.#drift = { ms: driftMs, quality };
    batch.begin(receivedUs, after, quality);
    if (previous === undefined) return undefined;
    if (Math.abs(driftMs - previous.ms) <= STEP_MS && quality <= previous.quality) return undefined;
    return { before: Math.round(previous.ms + receivedUs / 1000), after };
  }
}
