import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { openReceipt, signReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { ChainBatchSource } from "./batch-source.ts";
import { commitStoreOf } from "./commit/chain-commit-store.ts";
import { CommitLoop } from "./commit/commit-loop.ts";

const gateway = generateIdentity();
const collector = generateIdentity();

let directory: string;
let store: ChainStore;
let clock: VirtualClock;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-source-"));
  clock = new VirtualClock();
  store = await ChainStore.open({
    directory,
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: false,
    clock,
  });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function receiptFor(held: Receipt["held"]): { receipt: Receipt; encoded: Buffer } {
  const body = { gateway: gateway.id, lane: 1 as Lane, epoch: 0, held, linked: 0, head: null, received: 1 };
  const encoded = signReceipt(collector, body);
  return { receipt: expectAccepted(openReceipt(encoded, collector.publicKey)), encoded };
}

test("sealed batches are backlog until a receipt names them, and are trimmed after it", async () => {
  const settings = { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 } as const;
  const loop = new CommitLoop({
    identity: gateway,
    store: commitStoreOf(store),
    lanes: { alarm: settings, telemetry: settings, bulk: settings },
    evictionBytesMin: 1,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const errors: string[] = [];
  let roomFreed: (() => void) | undefined;
  const freed = new Promise<void>((resolve) => {
    roomFreed = resolve;
  });
  const source = new ChainBatchSource({
    store,
    gateway: gateway.id,
    onSealed: (callback) => loop.onSealed(callback),
    roomFreed: () => roomFreed?.(),
    clock,
    log: { ...silentLog, error: (event) => errors.push(event) },
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const sealed: number[] = [];
  source.onSealed((lane, epoch, seq) => sealed.push(lane, epoch, seq));
  for (let index = 0; index < 3; index++) {
    const frame = { lane: 1 as Lane, encodedSource: encodeSource("a"), format: 112, frame: Buffer.from([index]) };
    await new Promise<void>((resolve, reject) => {
      loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) => (failure ? reject(failure) : resolve()));
    });
  }
  expect(sealed).toEqual([1, 0, 0, 1, 0, 1, 1, 0, 2]);
  expect(source.backlog()).toMatchObject([{ lane: 1, epoch: 0, pending: [[0, 2]], records: 3 }]);
  const batches = await source.read({ lane: 1, epoch: 0 }, 0, 1, 1 << 20);
  expect(batches).toHaveLength(2);

  const { receipt, encoded } = receiptFor([[0, 1]]);
  await source.acknowledge(receipt, encoded);
  expect(source.backlog()).toMatchObject([{ pending: [[2, 2]], records: 1 }]);
  clock.advance(1000);
  await freed;
  expect(store.chain({ gateway: gateway.id, lane: 1, epoch: 0 })?.trimmed).toEqual([[0, 1]]);
  expect(errors).toEqual([]);

  const beyond = receiptFor([[0, 7]]);
  await source.acknowledge(beyond.receipt, beyond.encoded);
  expect(errors).toEqual(["collector-ahead"]);
  await source.stop();
  await loop.stop();
});
