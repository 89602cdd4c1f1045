import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { systemClock } from "@paddock/base/clock.ts";
import { ChainStore } from "../chain-store.ts";
import type { Eviction } from "../types.ts";
import { Sealer, testPayload, type SealedBatch } from "./sealer.ts";

/**
 * The process that the kill test kills: goes on with the chain in a directory and prints `seq hash` for each batch
 * that was stored, with acknowledgements, trims, evictions and compactions between.
 */
// Node writes what it has compiled when a process ends by itself, which this one never does.
flushCompileCache();

const store = await ChainStore.open({
  directory: process.argv[2]!,
  maxBytes: 400_000,
  minFreeBytes: 0,
  ballastBytes: 0,
  arrivalLog: false,
  clock: systemClock,
  compactAfterBytes: 200_000,
});
const { chain } = new Sealer();
const head = store.chain(chain)?.head;
// A chain that was forked would show, because payloads differ from run to run.
const sealer = new Sealer({ seq: head === undefined ? 0 : head.seq + 1, previous: head?.hash ?? null });
writeSync(1, "ready\n");

async function append(batch: SealedBatch, evict: readonly Eviction[]): Promise<void> {
  const outcome = await store.append({ chain, batches: [batch], evict });
  if (!outcome.ok) throw new Error(`${outcome.reason}: ${outcome.detail}`);
  writeSync(1, `${batch.seq} ${Buffer.from(batch.hash).toString("hex")}\n`);
}

for (;;) {
  const round: Promise<unknown>[] = [];
  for (let index = 0; index < 1 + (sealer.seq % 7); index++) {
    const batch = sealer.seal(testPayload(process.pid * 1000 + sealer.seq, 50 + (sealer.seq % 5) * 1000));
    const evict = sealer.seq % 23 === 0 ? (await store.evictPlan([chain], 2000)).evict : [];
    round.push(append(batch, evict));
  }
  if (sealer.seq % 3 === 0) round.push(store.acknowledge(chain, [[0, Math.max(0, sealer.seq - 40)]], Buffer.from("r")));
  if (sealer.seq % 11 === 0) round.push(store.trim());
  await Promise.all(round);
}
