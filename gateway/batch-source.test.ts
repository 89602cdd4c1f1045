import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import { chainBytes, KEY_SPACES, seqKey } from "@paddock/store/keyspace.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { openReceipt, signReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { ChainBatchSource } from "./batch-source.ts";
import { commitStoreOf } from "./commit/chain-commit-store.ts";
import { CommitLoop } from "./commit/commit-loop.ts";
import { ownOf, recordsOf, testDisk, TestStore } from "./testing/commit-world.ts";

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

  // A collector that knows nothing of the chain yet is not ahead of it.
  const none = receiptFor([]);
  await source.acknowledge(chain, none.receipt, none.encoded, []);
  expect(source.backlog()).toMatchObject([{ pending: [[0, 2]] }]);
  expect(errors).toEqual([]);

  const { receipt, encoded } = receiptFor([[0, 1]]);
  await source.acknowledge(chain, receipt, encoded, [[0, 1]]);
  expect(source.backlog()).toMatchObject([{ pending: [[2, 2]], records: 1 }]);
  clock.advance(1000);
  await freed;
  expect(store.chain(chain)?.trimmed).toEqual([[0, 1]]);
  expect(errors).toEqual([]);

  const beyond = receiptFor([[0, 7]]);
  await source.acknowledge(chain, beyond.receipt, beyond.encoded, []);
  expect(errors).toEqual(["collector-ahead"]);
  await source.stop();
  await loop.stop();
});

test("what a collector holds is believed by a header that was trimmed, as the next one names it, and by no other hash", async () => {
  const loop = commitLoop(store);
  for (let byte = 0; byte < 6; byte++) await seal(loop, byte);
  const hash = headerHash((await store.readHeaders(chain, 4, 4))[0]!.header);
  await store.acknowledge(chain, [[3, 4]], receiptFor([[3, 4]]).encoded);
  await store.trim();
  expect(store.chain(chain)).toMatchObject({ trimmed: [[3, 4]], acknowledged: [[3, 4]] });
  const errors: string[] = [];
  const source = new ChainBatchSource({
    store,
    gateway: gateway.id,
    onSealed: () => {},
    roomFreed: () => {},
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: { ...silentLog, error: (event) => errors.push(event) },
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const other = receiptFor([[0, 4]], 5, Buffer.alloc(32, 9));
  await source.acknowledge(chain, other.receipt, other.encoded, []);
  expect([store.chain(chain)!.acknowledged, errors]).toEqual([[[3, 4]], ["collector-differs"]]);
  const same = receiptFor([[0, 4]], 5, hash);
  await source.acknowledge(chain, same.receipt, same.encoded, []);
  expect(store.chain(chain)!.acknowledged).toEqual([[0, 4]]);
  await source.stop();
  await loop.stop();
});

test("a comparison is told of when batches were offered and a receipt names them, once that is noted; an answer to a question is none", async () => {
  const loop = commitLoop(store);
  for (const byte of [1, 2, 3]) await seal(loop, byte);
  const told: unknown[] = [];
  const source = new ChainBatchSource({
    store,
    gateway: gateway.id,
    onSealed: () => {},
    onReceipt: () => told.push(store.chain(chain)!.acknowledged),
    roomFreed: () => {},
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: silentLog,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  const asked = receiptFor([[0, 0]], 1, headerHash((await store.readHeaders(chain, 0, 0))[0]!.header));
  await source.acknowledge(chain, asked.receipt, asked.encoded, []);
  const elsewhere = receiptFor([[0, 0]]);
  await source.acknowledge(chain, elsewhere.receipt, elsewhere.encoded, [[2, 2]]);
  expect(told).toEqual([]);
  const named = receiptFor([[0, 1]]);
  await source.acknowledge(chain, named.receipt, named.encoded, [[1, 2]]);
  expect(told).toEqual([[[0, 1]]]);
  await source.stop();
  await loop.stop();
});

test.each<[string, () => Promise<{ batches: number; bytes: number }>, boolean, string[]]>([
  ["that freed something is told to who waits for room", async () => ({ batches: 1, bytes: 9 }), false, ["freed"]],
  ["that freed nothing is told to nobody", async () => ({ batches: 0, bytes: 0 }), false, []],
  ["that failed ends the process", () => Promise.reject(new Error("EIO")), false, ["Error: EIO"]],
  ["that the end of the store cut off does not", () => Promise.reject(new Error("closed")), true, []],
])("a trim %s", async (_, trim, stops, expected) => {
  const loop = commitLoop(store);
  for (const byte of [1, 2]) await seal(loop, byte);
  const told: string[] = [];
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  store.trim = async () => {
    begun.resolve();
    await go.promise;
    return trim();
  };
  const source = new ChainBatchSource({
    store,
    gateway: gateway.id,
    onSealed: () => {},
    roomFreed: () => told.push("freed"),
    onDiverged: () => {},
    quarantine: () => Promise.resolve(true),
    clock,
    log: silentLog,
    fatal: (error) => told.push(String(error)),
  });
  const { receipt, encoded } = receiptFor([[0, 0]]);
  await source.acknowledge(chain, receipt, encoded, [[0, 0]]);
  clock.advance(1000);
  await begun.promise;
  const stopping = stops ? source.stop() : undefined;
  go.resolve();
  // Without a stop the trim ends by itself.
  await (stopping ?? new Promise((resolve) => setImmediate(resolve)));
  expect(told).toEqual(expected);
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
  await source.acknowledge(chain, four.receipt, four.encoded, []);
  expect(pending()).toEqual([[0, 3]]);
  expect(errors).toEqual(["collector-differs"]);

  // Batches 0 and 1 were offered again, and the collector found them to be the same.
  await source.acknowledge(chain, four.receipt, four.encoded, [[0, 0]]);
  expect(pending()).toEqual([[1, 3]]);

  // A head that is ours, seen by its header or by the link of the next one, vouches for all before it.
  const [second] = await restored.readHeaders(chain, 1, 1);
  const two = receiptFor([[0, 1]], 2, headerHash(second!.header));
  await source.acknowledge(chain, two.receipt, two.encoded, []);
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
  await source.acknowledge(chain, stripped.receipt, stripped.encoded, []);
  expect(pending()).toEqual([[1, 2]]);
  await source.acknowledge(chain, stripped.receipt, stripped.encoded, [[1, 2]]);
  expect(pending()).toEqual([[1, 2]]);

  // What was given up here can only be held without its payload.
  await store.append({ chain, batches: [], evict: [{ chain, seqs: [[1, 1]] }] });
  await source.acknowledge(chain, stripped.receipt, stripped.encoded, []);
  expect(pending()).toEqual([[2, 2]]);

  const whole = receiptFor([[0, 2]], 3, head);
  await source.acknowledge(chain, whole.receipt, whole.encoded, []);
  expect(pending()).toEqual([]);
  await source.stop();
  await loop.stop();
});

const sourceOver = (
  over: ChainStore,
  quarantine: (lost: PlannedEviction) => Promise<boolean>,
  log: Log = silentLog,
): ChainBatchSource =>
  new ChainBatchSource({
    store: over,
    gateway: gateway.id,
    onSealed: () => {},
    roomFreed: () => {},
    onDiverged: () => {},
    quarantine,
    clock,
    log,
    fatal: (error) => expect(error).toBeUndefined(),
  });

describe("nothing is deleted but what a signed receipt of this chain names", () => {
  test("what was sent counts only as far as the receipt holds it", async () => {
    const loop = commitLoop(store);
    for (const byte of [1, 2, 3]) await seal(loop, byte);
    const source = sourceOver(store, () => Promise.resolve(true));
    const { receipt, encoded } = receiptFor([[0, 1]]);
    await source.acknowledge(chain, receipt, encoded, [[0, 2]]);
    expect(store.chain(chain)!.acknowledged).toEqual([[0, 1]]);
    await source.stop();
    await loop.stop();
  });

  test("a receipt for a chain that is not here lets go of nothing, and the collector is seen to be ahead", async () => {
    const source = sourceOver(store, () => Promise.resolve(true));
    const { receipt, encoded } = receiptFor([[0, 3]], 0, null, [[1, 2]]);
    await source.acknowledge(chain, receipt, encoded, []);
    const linked = receiptFor([[0, 3]], 4, Buffer.alloc(32, 9));
    await source.acknowledge(chain, linked.receipt, linked.encoded, []);
    expect(source.backlog()).toEqual([]);
    await source.stop();
  });

  test("its head vouches for the headers up to it, and for none of those behind a gap", async () => {
    const loop = commitLoop(store);
    for (const byte of [1, 2, 3, 4, 5, 6]) await seal(loop, byte);
    const source = sourceOver(store, () => Promise.resolve(true));
    const [header] = await store.readHeaders(chain, 2, 2);
    const { receipt, encoded } = receiptFor([[0, 5]], 3, headerHash(header!.header));
    await source.acknowledge(chain, receipt, encoded, []);
    expect(store.chain(chain)!.acknowledged).toEqual([[0, 2]]);
    await source.stop();
    await loop.stop();
  });

  test("every receipt is noted and followed by a trim, and none begins after the stop", async () => {
    const loop = commitLoop(store);
    for (const byte of [1, 2, 3, 4]) await seal(loop, byte);
    const source = sourceOver(store, () => Promise.resolve(true));
    const acknowledgeTo = async (last: number): Promise<void> => {
      const { receipt, encoded } = receiptFor([[0, last]]);
      await source.acknowledge(chain, receipt, encoded, [[0, last]]);
    };
    expect(source.lastReceiptUs).toBeUndefined();
    for (const last of [0, 1]) {
      await acknowledgeTo(last);
      expect(source.lastReceiptUs).toBe(clock.monotonicUs());
      clock.advance(1000);
      await expect.poll(() => store.chain(chain)?.trimmed).toEqual([[0, last]]);
    }
    await source.stop();
    await acknowledgeTo(2);
    clock.advance(1000);
    await source.stop();
    expect(store.chain(chain)?.trimmed).toEqual([[0, 1]]);
    await loop.stop();
  });

  test("a stop waits for the trim that is under way", async () => {
    const loop = commitLoop(store);
    for (const byte of [1, 2, 3]) await seal(loop, byte);
    const source = sourceOver(store, () => Promise.resolve(true));
    const { receipt, encoded } = receiptFor([[0, 1]]);
    await source.acknowledge(chain, receipt, encoded, [[0, 1]]);
    const held = Promise.withResolvers<void>();
    const trim = store.trim.bind(store);
    store.trim = async () => {
      await held.promise;
      return trim();
    };
    clock.advance(1000);
    let stopped = false;
    const stopping = source.stop().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    held.resolve();
    await stopping;
    expect(store.chain(chain)!.trimmed).toEqual([[0, 1]]);
    await loop.stop();
  });

  test.each([
    ["another gateway", { gateway: collector.id }],
    ["another lane", { lane: 2 as Lane }],
    ["another epoch", { epoch: 1 }],
  ])("a receipt for %s is refused", async (_whose, other) => {
    const loop = commitLoop(store);
    for (const byte of [1, 2, 3]) await seal(loop, byte);
    const source = sourceOver(store, () => Promise.resolve(true));
    const { receipt, encoded } = receiptFor([[0, 2]]);
    await expect(source.acknowledge(chain, { ...receipt, ...other }, encoded, [[0, 2]])).rejects.toThrow(
      "the receipt is for",
    );
    expect(store.chain(chain)!.acknowledged).toEqual([]);
    await source.stop();
    await loop.stop();
  });
});

/** A gateway whose disk altered the payload of the second of three batches. */
async function damaged(maxBytes?: number, log?: Log) {
  const disk = testDisk(clock);
  const before = await TestStore.open(disk, clock);
  const first = commitLoop(before.chains);
  for (const byte of [1, 2, 3]) await seal(first, byte);
  await first.stop();
  const key = seqKey(KEY_SPACES.payload, chainBytes(chain), 1);
  const value = Buffer.from((await disk.get(key))!);
  value[value.length - 1]! ^= 1;
  await disk.batch([{ type: "put", key, value }], { sync: true });
  const { chains } = await TestStore.open(disk, clock, maxBytes === undefined ? {} : { maxBytes });
  const loop = commitLoop(chains);
  const lossesOf = async () => ownOf(recordsOf((await chains.readOne(chain, 3))!.payload));
  const source = sourceOver(chains, (lost) => loop.quarantine(lost), log);
  return { disk, chains, loop, source, lossesOf };
}

describe("a payload that is damaged on disk", () => {
  test("goes out as header and null, once its loss is in the chain; the lane goes on", async () => {
    const told: [string, unknown][] = [];
    const log: Log = { ...silentLog, error: (event, fields) => told.push([event, fields]) };
    const { chains, loop, source, lossesOf } = await damaged(undefined, log);
    const batches = await source.read(chain, 0, 2, 1 << 20);
    const place = { lane: "telemetry", epoch: 0, seq: 1, records: 1 };
    expect(told).toMatchObject([["payload-damaged", { ...place, bytes: expect.any(Number) as number }]]);
    expect(batches.map(({ payload }) => payload === null)).toEqual([false, true, false]);
    expect(await lossesOf()).toEqual([
      {
        kind: "loss",
        reason: "quarantined",
        epoch: 0,
        ranges: [[1, 1]],
        records: 1,
        bytes: expect.any(Number) as number,
      },
    ]);
    expect(chains.chain(chain)).toMatchObject({ evicted: [[1, 1]], head: { seq: 3 } });
    await seal(loop, 4);
    expect(await source.read(chain, 0, 2, 1 << 20)).toMatchObject([{}, { payload: null }, {}]);
    expect(chains.chain(chain)).toMatchObject({ head: { seq: 4 } });
    expect(await chains.verify(chain, { publicKey: gateway.publicKey })).toMatchObject({ broken: 0 });
    await loop.stop();
  });

  test("waits where there is no room to say so, and goes when there is", async () => {
    const { disk, chains, loop, source } = await damaged(1);
    await expect(source.read(chain, 0, 2, 1 << 20)).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(source.read(chain, 0, 2, 1 << 20)).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(chains.chain(chain)).toMatchObject({ evicted: [], head: { seq: 2 } });
    await loop.stop();
    const roomy = (await TestStore.open(disk, clock)).chains;
    const next = commitLoop(roomy);
    const again = sourceOver(roomy, (lost) => next.quarantine(lost));
    expect(await again.read(chain, 0, 2, 1 << 20)).toMatchObject([{}, { payload: null }, {}]);
    expect(roomy.chain(chain)).toMatchObject({ evicted: [[1, 1]], head: { seq: 3 } });
    await next.stop();
  });
});
