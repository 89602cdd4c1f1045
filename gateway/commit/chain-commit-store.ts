import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { LOSS_RANGES_MAX, LOSS_RECORDS_MAX } from "./open-batch.ts";
import type { CommitStore } from "./ports.ts";

/** The commit loop's view of the chain store. */
export function commitStoreOf(store: ChainStore): CommitStore {
  return {
    append: (write) => store.append(write),
    chain: (id) => store.chain(id),
    latestEpoch: (gateway, lane) => store.latestEpoch(gateway, lane),
    trim: async () => (await store.trim()).bytes,
    evictPlan: (chains, bytes) => boundedPlan(store, chains, bytes),
  };
}

/** Asks for less until the loss records fit one batch: a backlog full of acknowledged holes gives many ranges. */
async function boundedPlan(
  store: ChainStore,
  chains: readonly ChainId[],
  bytes: number,
): Promise<readonly PlannedEviction[]> {
  for (let wanted = bytes; ; wanted = Math.floor(wanted / 2)) {
    const { evict } = await store.evictPlan(chains, wanted);
    const ranges = evict.reduce((sum, { seqs }) => sum + seqs.length, 0);
    if (ranges <= LOSS_RANGES_MAX && evict.length <= LOSS_RECORDS_MAX) return evict;
  }
}
