import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { CommitStore } from "./ports.ts";

/** The commit loop's view of the chain store. */
export function commitStoreOf(store: ChainStore): CommitStore {
  return {
    append: (write) => store.append(write),
    chain: (id) => store.chain(id),
    latestEpoch: (gateway, lane) => store.latestEpoch(gateway, lane),
    trim: async () => (await store.trim()).bytes,
    evictPlan: async (chains, bytes, spared) => (await store.evictPlan(chains, bytes, spared)).evict,
    async compact() {
      const { freeBefore, freeAfter } = await store.compactNow();
      return freeAfter - freeBefore;
    },
    duties: () => store.duties(),
  };
}
