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

/** A batch that came off the disk and was held against its hashes. */
export interface StoredBatch extends EncodedBatch {
  readonly seq: number;
  /** Its payload, which no eviction took, is missing or is not what the header says; the header is good. */
  readonly damaged?: true;
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
  /** `loss` duties that `batches` do. An `epoch` duty needs no naming: the first batch of a later epoch does it. */
  readonly settles?: readonly Duty[];
}

/** Payloads of one chain that are given up; their headers stay. */
export interface Eviction {
  readonly chain: ChainId;
  readonly seqs: Ranges;
}

/**
 * What a repair leaves to be done by whoever seals batches. Written in the same atomic write as the repair and kept over
 * every restart until the write that does it, so that neither a power cut nor another program that opens the store in
 * between can lose it.
 */
export type Duty = EpochDuty | LossDuty;

/** Batches that had been confirmed are gone, and others may hold them: the lane must begin a new epoch. */
export interface EpochDuty {
  readonly kind: "epoch";
  /** The chain that may not go on. */
  readonly chain: ChainId;
  /** What is gone of it, as far as it is known. */
  readonly seqs: Ranges;
  /** The last batch that is left of the chain: its seq and header hash; null when none is. */
  readonly last: { readonly seq: number; readonly hash: Uint8Array } | null;
}

/**
 * Payloads that damage took; their headers stay. A gateway says so by a loss record with reason `quarantined`. A ledger
 * has nobody to tell: there it stands until the payload arrives again.
 */
export interface LossDuty {
  readonly kind: "loss";
  readonly chain: ChainId;
  readonly seqs: Ranges;
  /** Records and payload bytes of `seqs`, as their headers say. */
  readonly records: number;
  readonly bytes: number;
}

export type WriteRefusal =
  /** Another header is stored at that seq. Nothing of the write was stored; `evidence` has both. */
  | "fork"
  /** A neighbour's link does not match: the batch does not belong to this chain. */
  | "link"
  /** Quota or free-space floor. */
  | "full"
  /** A receipt names a payload that was to be evicted: it is not lost. Plan anew. */
  | "acknowledged"
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

/** A refusal that carries what a fork or link error needs as evidence, and for want of what something is full. */
export type WriteOutcome =
  | Accepted<WriteResult>
  | {
      readonly ok: false;
      readonly reason: WriteRefusal;
      readonly detail: string;
      readonly evidence?: ForkEvidence;
      /** With `full`, always. */
      readonly shortage?: Shortage;
    };

/** What a write had no room for, in bytes. Only an eviction helps against `quota`, only `compactNow` against `disk`. */
export type Shortage =
  | { readonly cause: "quota"; readonly wantedBytes: number; readonly heldBytes: number; readonly maxBytes: number }
  | { readonly cause: "disk"; readonly wantedBytes: number; readonly freeBytes: number; readonly minFreeBytes: number }
  /** This one chain has more runs of seqs than may be kept; the others have room. */
  | { readonly cause: "chain"; readonly runs: number; readonly maxRuns: number };

/** Two signed headers that contradict each other. */
export interface ForkEvidence {
  /** Where the stored one stands: in the written chain, or in an earlier epoch that the offered one says it follows. */
  readonly chain: ChainId;
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
