import { OpenBatch } from "./open-batch.ts";

/** Batches kept for reuse; the three lanes at rest use three more. */
export const SPARE_BATCHES_MAX = 6;

/** Batches that are done with, for the next ones: at full load no buffer is allocated for a batch. */
export class SpareBatches {
  readonly #spare: OpenBatch[] = [];

  /** The batch that was given back last, or a new one. */
  take(): OpenBatch {
    return this.#spare.pop() ?? new OpenBatch();
  }

  /** Keeps an empty batch, or lets it go when there are SPARE_BATCHES_MAX already. */
  giveBack(batch: OpenBatch): void {
    if (this.#spare.length < SPARE_BATCHES_MAX) this.#spare.push(batch);
  }
}
