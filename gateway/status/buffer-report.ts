import type { Ranges } from "@paddock/base/ranges.ts";
import type { LaneName } from "@paddock/wire/lanes.ts";
import type { BufferStatus } from "./status.ts";

/** One stored chain, as `paddock gateway buffer` shows it. */
export interface StoredChain {
  readonly lane: LaneName;
  readonly epoch: number;
  readonly headSeq: number | null;
  /** SHA-256 of the newest header, hex. */
  readonly headHash: string | null;
  readonly held: Ranges;
  readonly evicted: Ranges;
  readonly acknowledged: Ranges;
  readonly bytes: number;
  readonly records: number;
  readonly pendingBytes: number;
  readonly pendingRecords: number;
  /** The oldest batch that no receipt names: when it was begun, and how far that clock was right. */
  readonly oldestPending: { readonly seq: number; readonly wallMs: number; readonly clock: 0 | 1 | 2 } | null;
}

export interface BufferReport extends BufferStatus {
  readonly chains: readonly StoredChain[];
  /** Per second, over the last ten. */
  readonly committedBytesPerS: number;
  readonly acknowledgedRecordsPerS: number;
  /** Why nothing leaves, or null while it does. */
  readonly stalledBy: string | null;
  /** Bytes that reach the disk per day at the present rate; null where the kernel does not tell. */
  readonly writtenBytesPerDay: number | null;
}
