import type { Ranges } from "@paddock/base/ranges.ts";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import type { ChainId, ChainSummary, StoreWrite, WriteOutcome } from "@paddock/store/types.ts";

/** Payloads that a write may give up, oldest first. */
export interface EvictionPlan {
  readonly seqs: Ranges;
  readonly records: number;
  /** Bytes of payload that it frees. */
  readonly bytes: number;
}

/** What the commit loop needs from the store; `ChainStore` has it. */
export interface CommitStore {
  /** Rejects with PaddockError STORE_WRITE_FAILED when it is unknown what is on disk. */
  append(write: StoreWrite): Promise<WriteOutcome>;
  chain(id: ChainId): ChainSummary | undefined;
  /** Deletes what receipts name; resolves with the bytes that this freed. */
  trim(): Promise<number>;
  /** The oldest payloads of the chain that together have `bytes`, or all there are; undefined when there is none. */
  evictPlan(id: ChainId, bytes: number): Promise<EvictionPlan | undefined>;
}

/** How far the wall clock can be trusted right now; called once per batch, so it answers from memory. */
export interface ClockQualitySource {
  quality(): ClockQuality;
}

/** What to do with a new frame of a lane when the store is full and nothing acknowledged is left to trim. */
export type PressurePolicy = "refuse-new" | "evict-oldest";

export interface LaneSettings {
  /** How long a frame that nobody waits for may stay in an open batch. */
  readonly lingerMs: number;
  readonly pressure: PressurePolicy;
  /** The part of the store, 0 to 1, that the other lanes cannot take away. */
  readonly quotaShare: number;
}
