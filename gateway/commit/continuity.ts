import type { Log } from "@paddock/base/log.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { laneName, type LaneName } from "@paddock/wire/lanes.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import type { EpochStart } from "./ports.ts";

/** The disk forgot what it had confirmed. docs/protocol.md §2.2. */
const ROLLED_BACK = "rolled-back";

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

/** Says what the opening of the store had to repair. */
export function logRecovery(store: Pick<ChainStore, "recovery">, log: Log): void {
  for (const { chain, action, seqs } of store.recovery) {
    log.error("chain-recovered", { lane: laneName(chain.lane), epoch: chain.epoch, action, seqs });
  }
}

/**
 * Lanes that must begin a new epoch: the disk lost batches that it had confirmed, at this start or at an earlier one
 * that did not come to it, and the collector may hold them, so going on would fork the chain. The first batch of the new
 * epoch does the duty.
 */
export function epochStartsDue(
  store: Pick<ChainStore, "duties" | "latestEpoch">,
): Partial<Record<LaneName, EpochStart>> {
  const starts: Partial<Record<LaneName, EpochStart>> = {};
  for (const duty of store.duties()) {
    const { kind, chain } = duty;
    if (kind !== "epoch" || chain.epoch !== store.latestEpoch(chain.gateway, chain.lane)) continue;
    starts[laneName(chain.lane)] = {
      reason: ROLLED_BACK,
      previousEpoch: chain.epoch,
      lastSeq: duty.last?.seq ?? null,
      previous: duty.last?.hash ?? Buffer.alloc(HASH_BYTES),
    };
  }
  return starts;
}
