import type { Accepted } from "@paddock/base/outcome.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { BatchHeader } from "@paddock/wire/batch-header.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import type { Lane } from "@paddock/wire/lanes.ts";

/** Names one chain: the batches of one gateway, lane and epoch. */
export interface ChainId {
  /** 32 bytes: SHA-256 of the gateway's public key. */
  readonly gateway: Uint8Array;
  readonly lane: Lane;
  readonly epoch: number;
}

/** What is known of a chain without touching the disk: kept current in memory, rebuilt from persisted counters. */
export interface ChainSummary {
  readonly id: ChainId;
  /** The highest seq that is stored and its header hash; undefined while the chain is empty. */
  readonly head: { readonly seq: number; readonly hash: Uint8Array } | undefined;
  /** Seqs whose header is stored now (trimmed ones are not). */
  readonly held: Ranges;
  /** Seqs that were stored once and trimmed since. */
  readonly trimmed: Ranges;
  /** Seqs whose payload was evicted; their header is stored. */
  readonly evicted: Ranges;
  /** Seqs that a receipt names and that were stored here, trimmed or not. Always empty in a ledger. */
  readonly acknowledged: Ranges;
  /** Batches from seq 0 that are proven to follow each other, and the hash of the last of them. */
  readonly linked: number;
  readonly linkedHead: Uint8Array | undefined;
  /** Of what is stored now: headers plus payloads. */
  readonly bytes: number;
  readonly records: number;
  /** Of what is stored and not acknowledged. */
  readonly unacknowledgedBytes: number;
  readonly unacknowledgedRecords: number;
}

export interface StoredBatch extends EncodedBatch {
  readonly seq: number;
}

/**
 * A batch to be stored. Its payload, if any, hashes to what its header says: the caller sealed it or checked it by
 * `checkBatch`. What the caller has worked out already need not be worked out again.
 */
export interface OfferedBatch extends EncodedBatch {
  readonly decoded?: BatchHeader;
  /** SHA-256 of the encoded header. */
  readonly hash?: Uint8Array;
}

/** A key and value that live and die with the write they came in: for example a sensor's replay window. */
export interface SideEntry {
  /** At most 128 bytes of UTF-8. */
  readonly key: string;
  /** null deletes. */
  readonly value: Uint8Array | null;
}

/** One atomic, synced write. */
export interface StoreWrite {
  readonly chain: ChainId;
  /** In ascending seq. The header of each must carry this chain's gateway, lane and epoch. */
  readonly batches: readonly OfferedBatch[];
  readonly side?: readonly SideEntry[];
  /** Payloads to drop in the same write, with the chained loss record already inside `batches`. */
  readonly evict?: readonly Eviction[];
}

/** Payloads of one chain that are given up; their headers stay. */
export interface Eviction {
  readonly chain: ChainId;
  readonly seqs: Ranges;
}

export type WriteRefusal =
  /** Another header is stored at that seq. Nothing of the write was stored; `evidence` has both. */
  | "fork"
  /** A neighbour's link does not match: the batch does not belong to this chain. */
  | "link"
  /** Quota or free-space floor. */
  | "full"
  /** Header or payload does not decode, or names another chain. */
  | "batch";

export interface WriteResult {
  /** Seqs newly stored by this write. */
  readonly stored: Ranges;
  /** Seqs that were there before, with the same header. */
  readonly repeated: Ranges;
  /** With an arrival log: the offset of the first record of this write, else undefined. */
  readonly logOffset: number | undefined;
}

/** A refusal that carries what a fork or link error needs as evidence. */
export type WriteOutcome =
  | Accepted<WriteResult>
  | { readonly ok: false; readonly reason: WriteRefusal; readonly detail: string; readonly evidence?: ForkEvidence };

export interface ForkEvidence {
  readonly seq: number;
  readonly stored: Uint8Array;
  readonly offered: Uint8Array;
}

/** One entry of the arrival log: a batch, at the offset of its first record. */
export interface LogEntry {
  /** Dense count of records in arrival order; this batch takes `offset` to `offset + count - 1`. */
  readonly offset: number;
  readonly count: number;
  /** Unix ms at which it was written. */
  readonly received: number;
  readonly chain: ChainId;
  readonly seq: number;
}
