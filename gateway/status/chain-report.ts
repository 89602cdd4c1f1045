import type { Ranges } from "@paddock/base/ranges.ts";
import type { LaneName } from "@paddock/wire/lanes.ts";

/** What verifying one chain found. */
export interface ChainReport {
  readonly lane: LaneName;
  readonly epoch: number;
  /** Seqs that were looked at. */
  readonly from: number;
  readonly to: number;
  readonly batches: number;
  readonly records: number;
  /** SHA-256 of the header at `to`, hex; null for an empty chain. */
  readonly headHash: string | null;
  /** Seqs whose payload was given up; the headers verify. */
  readonly evicted: Ranges;
  /** Seqs that a receipt named and that were deleted since. */
  readonly trimmed: Ranges;
  /** Empty when the chain holds. */
  readonly breaks: readonly { readonly seq: number; readonly problem: string; readonly detail: string }[];
}
