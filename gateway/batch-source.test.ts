import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
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
  store = await openStore("store");
});

const openStore = (name: string): Promise<ChainStore> =>
  ChainStore.open({
    directory: join(directory, name),
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: false,
    clock,
  });
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function receiptFor(
  held: Receipt["held"],
  linked = 0,
  head: Uint8Array | null = null,
  bare: Receipt["bare"] = [],
): { receipt: Receipt; encoded: Buffer } {
  const body = { gateway: gateway.id, lane: 1 as Lane, epoch: 0, held, bare, linked, head, received: 1 };
  const encoded = signReceipt(collector, body);
  return { receipt: expectAccepted(openReceipt(encoded, collector.publicKey)), encoded };
}

const chain = { gateway: gateway.id, lane: 1 as Lane, epoch: 0 };

function commitLoop(over: ChainStore): CommitLoop {
  const settings = { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 } as const;
  return new CommitLoop({
    identity: gateway,
    store: commitStoreOf(over),
    lanes: { alarm: settings, telemetry: settings, bulk: settings },
    losses: new Map(),
    evictionBytesMin: 1,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
}

/** Seals one batch with one frame of one byte. */
async function seal(loop: CommitLoop, byte: number): Promise<void> {
  const frame = { lane: 1 as Lane, encodedSource: encodeSource("a"), format: 112, frame: Buffer.from([byte]) };
  await new Promise<void>((resolve, reject) => {
    loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) => (failure ? reject(failure) : resolve()));
  });
}

test("sealed batches are backlog until a receipt names them, and are trimmed after it", async () => {
  const loop = commitLoop(store);
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
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: { ...silentLog, error: (event) => errors.push(event) },
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const sealed: number[] = [];
  source.onSealed((lane, epoch, seq) => sealed.push(lane, epoch, seq));
  for (let index = 0; index < 3; index++) await seal(loop, index);
  expect(sealed).toEqual([1, 0, 0, 1, 0, 1, 1, 0, 2]);
  expect(source.backlog()).toMatchObject([{ lane: 1, epoch: 0, pending: [[0, 2]], records: 3 }]);
  const batches = await source.read({ lane: 1, epoch: 0 }, 0, 1, 1 << 20);
  expect(batches).toHaveLength(2);

  const { receipt, encoded } = receiptFor([[0, 1]]);
  await source.acknowledge(receipt, encoded, [[0, 1]]);
  expect(source.backlog()).toMatchObject([{ pending: [[2, 2]], records: 1 }]);
  clock.advance(1000);
  await freed;
  expect(store.chain(chain)?.trimmed).toEqual([[0, 1]]);
  expect(errors).toEqual([]);

  const beyond = receiptFor([[0, 7]]);
  await source.acknowledge(beyond.receipt, beyond.encoded, []);
  expect(errors).toEqual(["collector-ahead"]);
  await source.stop();
  await loop.stop();
});

test("after an older data directory came back, only what the collector is proven to hold counts as acknowledged", async () => {
  const before = commitLoop(store);
  for (const byte of [1, 2, 3, 4]) await seal(before, byte);
  const restored = await openStore("restored");
  await restored.append({ chain, batches: await store.read(chain, 0, { last: 1, maxBytes: 1 << 20 }) });
  const after = commitLoop(restored);
  for (const byte of [5, 6]) await seal(after, byte);
  const errors: string[] = [];
  const source = new ChainBatchSource({
    store: restored,
    gateway: gateway.id,
    onSealed: () => {},
    roomFreed: () => {},
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: { ...silentLog, error: (event) => errors.push(event) },
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const pending = () => source.backlog()[0]?.pending;

  // The collector has four batches; the last two of them are not the two that are here.
  const four = receiptFor([[0, 3]], 4, store.chain(chain)!.head!.hash);
  await source.acknowledge(four.receipt, four.encoded, []);
  expect(pending()).toEqual([[0, 3]]);
  expect(errors).toEqual(["collector-differs"]);

  // Batches 0 and 1 were offered again, and the collector found them to be the same.
  await source.acknowledge(four.receipt, four.encoded, [[0, 0]]);
  expect(pending()).toEqual([[1, 3]]);

  // A head that is ours, seen by its header or by the link of the next one, vouches for all before it.
  const [second] = await restored.readHeaders(chain, 1, 1);
  const two = receiptFor([[0, 1]], 2, headerHash(second!.header));
  await source.acknowledge(two.receipt, two.encoded, []);
  expect(pending()).toEqual([[2, 3]]);
  await source.stop();
  await Promise.all([before.stop(), after.stop()]);
  await restored.close();
});

test("what the collector holds without the payload that is stored here stays, however it is named", async () => {
  const loop = commitLoop(store);
  for (const byte of [1, 2, 3]) await seal(loop, byte);
  const source = new ChainBatchSource({
    store,
    gateway: gateway.id,
    onSealed: () => {},
    roomFreed: () => {},
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: silentLog,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const pending = () => source.backlog()[0]?.pending;
  const head = store.chain(chain)!.head!.hash;

  const stripped = receiptFor([[0, 2]], 3, head, [[1, 2]]);
  await source.acknowledge(stripped.receipt, stripped.encoded, []);
  expect(pending()).toEqual([[1, 2]]);
  await source.acknowledge(stripped.receipt, stripped.encoded, [[1, 2]]);
  expect(pending()).toEqual([[1, 2]]);

  // What was given up here can only be held without its payload.
  await store.append({ chain, batches: [], evict: [{ chain, seqs: [[1, 1]] }] });
  await source.acknowledge(stripped.receipt, stripped.encoded, []);
  expect(pending()).toEqual([[2, 2]]);

  const whole = receiptFor([[0, 2]], 3, head);
  await source.acknowledge(whole.receipt, whole.encoded, []);
  expect(pending()).toEqual([]);
  await source.stop();
  await loop.stop();
});
