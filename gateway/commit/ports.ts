import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import type { ChainId, ChainSummary, Duty, StoreWrite, WriteOutcome } from "@paddock/store/types.ts";

/** What the commit loop needs from the store; `ChainStore` has it. */
export interface CommitStore {
  /** Rejects with PaddockError STORE_WRITE_FAILED when it is unknown what is on disk. */
  append(write: StoreWrite): Promise<WriteOutcome>;
  chain(id: ChainId): ChainSummary | undefined;
  /** Deletes what receipts name; resolves with the bytes that this freed. */
  trim(): Promise<number>;
  /** The highest epoch of a gateway's lane that is stored, or undefined. */
  latestEpoch(gateway: Uint8Array, lane: Lane): number | undefined;
  /** The oldest payloads of these chains that together have `bytes`, or all there are, without those that are spared. */
  evictPlan(
    chains: readonly ChainId[],
    bytes: number,
    spared: (chain: ChainId) => Ranges,
  ): Promise<readonly PlannedEviction[]>;
  /** Gives the room of what was deleted back to the disk; resolves with the bytes that this freed there. */
  compact(): Promise<number>;
  /** What repairs left to be done. */
  duties(): readonly Duty[];
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

/** A header of a chain, by its seq and hash. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** Why a lane starts a new epoch, and where the last one ended as far as is known. */
export interface EpochStart {
  readonly reason: string;
  readonly previousEpoch: number;
  readonly lastSeq: number | null;
  /** Hash of the header at `lastSeq`; 32 zero bytes when nothing is known of the previous epoch. */
  readonly previous: Uint8Array;
}
