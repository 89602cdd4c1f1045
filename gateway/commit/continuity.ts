import type { Log } from "@paddock/base/log.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { laneName, type LaneName } from "@paddock/wire/lanes.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import type { EpochStart } from "./ports.ts";

/** The boot count in the newest header of any chain; 0 when nothing is stored. */
export async function newestBoot(store: ChainStore): Promise<number> {
  let newest = 0;
  for (const { id, head } of store.chains()) {
    const [last] = head === undefined ? [] : await store.readHeaders(id, head.seq, head.seq);
    const decoded = last === undefined ? undefined : decodeHeader(last.header);
    if (decoded?.ok === true) newest = Math.max(newest, decoded.value.position.boot);
  }
  return newest;
}

/**
 * Lanes that must begin a new epoch: the disk lost batches that it had confirmed, and the collector may hold them, so
 * going on would fork the chain.
 */
export async function epochStartsAfter(
  store: ChainStore,
  reason: string,
  log: Log,
): Promise<Partial<Record<LaneName, EpochStart>>> {
  const starts: Partial<Record<LaneName, EpochStart>> = {};
  for (const { chain, action, seqs } of store.recovery) {
    const lane = laneName(chain.lane);
    log.error("chain-recovered", { lane, epoch: chain.epoch, action, seqs });
    if (action !== "rolled-back" || chain.epoch !== store.latestEpoch(chain.gateway, chain.lane)) continue;
    const head = store.chain(chain)?.head;
    starts[lane] = {
      reason,
      previousEpoch: chain.epoch,
      lastSeq: head?.seq ?? null,
      previous: head?.hash ?? Buffer.alloc(HASH_BYTES),
    };
  }
  return starts;
}
