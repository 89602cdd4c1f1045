import type { LoggedBatch } from "../log/log-line.ts";
import type { DatingBook } from "./dating.ts";
import type { DeadLetter, Row } from "./row.ts";

/** The rows of a batch of the log, and what of it cannot be one. */
export interface BatchRows {
  readonly rows: readonly Row[];
  readonly deadLetters: readonly DeadLetter[];
}

/**
 * The readings of a batch from log offset `from` on. A batch without a payload (given up, or damaged), and one whose
 * payload holds no records, has no rows.
 */
export function rowsOfBatch(_batch: LoggedBatch, _from: number, _book: DatingBook): BatchRows {
  return { rows: [], deadLetters: [] };
}
