import { subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { chainName } from "./keyspace.ts";
import { evictable, EvictionChoice, type EvictionPlan } from "./eviction-policy.ts";
import type { StoreCore } from "./store-core.ts";
import type { ChainId } from "./types.ts";

/** Walks what is on disk of the chains, in their order, until so many bytes are chosen; see `ChainStore.evictPlan`. */
export async function planEviction(
  core: StoreCore,
  chains: readonly ChainId[],
  bytesNeeded: number,
  spared: (chain: ChainId) => Ranges,
): Promise<EvictionPlan> {
  const choice = new EvictionChoice(bytesNeeded);
  for (const id of chains) {
    const entry = core.chains.get(chainName(id));
    const state = entry?.published;
    if (entry === undefined || state === undefined || choice.satisfied) continue;
    const kept = union(union(state.acknowledged, state.evicted), spared(state.id));
    const pending = subtract(state.held, kept);
    for (const range of evictable(pending, state.head?.seq)) {
      if (choice.satisfied) break;
      for await (const [seq, { payloadBytes, count }] of core.facts.range(entry, range)) {
        choice.consider({ chain: state.id, seq, payloadBytes, records: count }, entry.name);
        if (choice.satisfied) break;
      }
    }
  }
  return choice.plan();
}
