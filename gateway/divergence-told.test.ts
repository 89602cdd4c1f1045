import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { Sealer } from "@paddock/store/testing/sealer.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import { ChainBatchSource } from "./batch-source.ts";

let directory: string;
let store: ChainStore;
let clock: VirtualClock;
let sealer: Sealer;
const told: string[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-told-"));
  clock = new VirtualClock();
  sealer = new Sealer();
  told.length = 0;
  store = await ChainStore.open({
    directory,
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: false,
    clock,
  });
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(4) });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function newSource(): ChainBatchSource {
  return new ChainBatchSource({
    store,
    gateway: sealer.chain.gateway,
    onSealed: () => {},
    roomFreed: () => told.push("room"),
    onDiverged: (lane: Lane, epoch: number, reason: string) => told.push(`${lane}/${epoch} ${reason}`),
    quarantine: () => Promise.resolve(true),
    clock,
    log: { ...silentLog, error: (event) => told.push(event) },
    fatal: (error) => expect(error).toBeUndefined(),
  });
}

function receipt(more: Partial<Receipt>): Receipt {
  const { gateway, lane, epoch } = sealer.chain;
  const none = { held: [], bare: [], linked: 0, head: null, received: 1 };
  return { gateway, lane, epoch, ...none, ...more } as Receipt;
}

test("another chain at the collector is said once for each way, and handed on with it", async () => {
  const source = newSource();
  const { lane, epoch } = sealer.chain;
  const differs = receipt({ held: [[0, 3]], linked: 4, head: Buffer.alloc(32, 1) });
  for (let again = 0; again < 2; again++) await source.acknowledge(sealer.chain, differs, Buffer.from("r"), []);
  expect(told).toEqual(["collector-differs", `${lane}/${epoch} collector-differs`]);
  const ahead = receipt({ held: [[0, 4]] });
  for (let again = 0; again < 2; again++) await source.acknowledge(sealer.chain, ahead, Buffer.from("r"), []);
  expect(told.slice(2)).toEqual(["collector-ahead", `${lane}/${epoch} collector-ahead`]);
  await source.stop();
  expect(store.chain(sealer.chain)!.acknowledged).toEqual([]);
});

test("a receipt that ends where the store ends tells nothing, and its time is known", async () => {
  const source = newSource();
  expect(source.lastReceiptUs).toBeUndefined();
  clock.advance(5);
  await source.acknowledge(sealer.chain, receipt({ held: [[0, 3]] }), Buffer.from("r"), []);
  expect(source.lastReceiptUs).toBe(clock.monotonicUs());
  expect(told).toEqual([]);
  await source.stop();
});

test("nothing is trimmed after a stop", async () => {
  const source = newSource();
  await source.acknowledge(sealer.chain, receipt({ held: [[0, 3]] }), Buffer.from("r"), [[0, 2]]);
  await source.stop();
  await source.acknowledge(sealer.chain, receipt({ held: [[0, 3]] }), Buffer.from("r"), [[0, 3]]);
  clock.advance(10_000);
  await source.stop();
  expect(store.chain(sealer.chain)).toMatchObject({ acknowledged: [[0, 3]], trimmed: [] });
});
