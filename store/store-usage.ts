import type { Ballast } from "./ballast.ts";
import type { StoreCore, StoreCounters } from "./store-core.ts";
import type { ChainStoreOptions } from "./store-options.ts";
import type { ChainSummary } from "./types.ts";

export interface StoreUsage extends Readonly<StoreCounters> {
  /** Bytes held, by own accounting: headers, payloads and what they take beside. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Bytes free on the disk. */
  readonly freeBytes: number;
  readonly minFreeBytes: number;
  readonly ballastBytes: number;
  readonly ballastHeld: boolean;
  readonly unacknowledgedBytes: number;
  readonly unacknowledgedRecords: number;
  readonly chains: number;
}

/** What a store holds and has done, at this moment. */
export function usageOf(
  core: StoreCore,
  { maxBytes, minFreeBytes }: ChainStoreOptions,
  ballast: Ballast | undefined,
  chains: readonly ChainSummary[],
): StoreUsage {
  return {
    ...core.counters,
    bytes: core.space.bytes,
    maxBytes,
    freeBytes: core.space.free(),
    minFreeBytes,
    ballastBytes: ballast?.bytes ?? 0,
    ballastHeld: ballast?.held ?? false,
    unacknowledgedBytes: chains.reduce((sum, chain) => sum + chain.unacknowledgedBytes, 0),
    unacknowledgedRecords: chains.reduce((sum, chain) => sum + chain.unacknowledgedRecords, 0),
    chains: chains.length,
  };
}
