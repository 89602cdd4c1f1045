import { afterEach, beforeEach, expect, test } from "vitest";
import { countOf } from "@paddock/base/ranges.ts";
import type { ChainStore } from "./chain-store.ts";
import { emptyChain, RUNS_MAX } from "./chain-state.ts";
import { CHAIN_KEY_BYTES, chainBytes, KEY_SPACES, seqOfKey, seqRange } from "./keyspace.ts";
import { acknowledgeIn } from "./release.ts";
import { BATCH_OVERHEAD_BYTES } from "./space-guard.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { placeInMemory } from "./testing/places.ts";
import { Sealer, type SealedBatch } from "./testing/sealer.ts";
import type { StoreWrite } from "./types.ts";

const RECEIPT = Buffer.from("receipt");
const NOTHING = { batches: 0, bytes: 0 };

let store: ChainStore;
beforeEach(async () => {
  store = await placeInMemory().open();
});
afterEach(() => store.close());

async function chainOf(
  lane: 1 | 2,
  batches: number,
  frameBytes = 100,
): Promise<{ sealer: Sealer; all: SealedBatch[] }> {
  const sealer = new Sealer({ lane });
  const all = sealer.sealMany(batches, frameBytes);
  await store.append({ chain: sealer.chain, batches: all });
  return { sealer, all };
}

function charged(batches: readonly SealedBatch[]): number {
  return batches.reduce((sum, { header, payload }) => sum + header.length + payload.length + BATCH_OVERHEAD_BYTES, 0);
}

test("what a receipt names of batches that are not here counts neither now nor when they come", async () => {
  const { sealer } = await chainOf(1, 3);
  await store.acknowledge(sealer.chain, [[1, 9]], RECEIPT);
  expect(store.chain(sealer.chain)).toMatchObject({ acknowledged: [[1, 2]], unacknowledgedRecords: 1 });
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(2) });
  expect(store.chain(sealer.chain)).toMatchObject({ acknowledged: [[1, 2]], unacknowledgedRecords: 3 });
});

test("the same receipt again changes no figure, whole or in part, before a trim and after", async () => {
  const { sealer, all } = await chainOf(1, 6);
  await store.acknowledge(sealer.chain, [[0, 3]], RECEIPT);
  const { unacknowledgedBytes } = store.chain(sealer.chain)!;
  expect(unacknowledgedBytes).toBe(charged(all.slice(4)) - 2 * BATCH_OVERHEAD_BYTES);
  const again = async () => {
    for (const named of [[[0, 3]], [[1, 2]], [[3, 3]]] as const) {
      await store.acknowledge(sealer.chain, named, RECEIPT);
      expect(store.chain(sealer.chain)).toMatchObject({ unacknowledgedBytes, unacknowledgedRecords: 2 });
    }
  };
  await again();
  expect(await store.trim()).toEqual({ batches: 4, bytes: charged(all.slice(0, 4)) });
  await again();
  expect(await store.trim()).toEqual(NOTHING);
});

test("nothing goes without a receipt, and the oldest of what a receipt names goes first, no more than is asked for", async () => {
  const { sealer, all } = await chainOf(1, 8);
  expect(await store.trim()).toEqual(NOTHING);
  await store.acknowledge(
    sealer.chain,
    [
      [0, 1],
      [3, 6],
    ],
    RECEIPT,
  );
  const keep = (...seqs: number[]) => store.trim({ keepBytes: charged(seqs.map((seq) => all[seq]!)) });
  // 0, 1 and 3 to 6.
  expect(await keep(0, 1, 3, 4, 5, 6)).toEqual(NOTHING);
  expect(await keep(1, 3, 4, 5, 6)).toMatchObject({ batches: 1 });
  expect(store.chain(sealer.chain)).toMatchObject({ trimmed: [[0, 0]], held: [[1, 7]] });
  expect(await keep(5, 6)).toMatchObject({ batches: 3 });
  expect(store.chain(sealer.chain)!.held).toEqual([
    [2, 2],
    [5, 7],
  ]);
  expect(await store.trim()).toMatchObject({ batches: 2 });
  expect(store.chain(sealer.chain)!.held).toEqual([
    [2, 2],
    [7, 7],
  ]);
});

test("of what is trimmed neither header nor payload is left on the disk, of what stays both are", async () => {
  const database = memoryDatabase();
  store = await placeInMemory().open({ database });
  const { sealer } = await chainOf(1, 6);
  const next = sealer.seal();
  await store.append({ chain: sealer.chain, batches: [next], evict: [{ chain: sealer.chain, seqs: [[1, 1]] }] });
  await store.acknowledge(sealer.chain, [[0, 3]], RECEIPT);
  expect(await store.trim()).toMatchObject({ batches: 4 });
  const left = async (space: typeof KEY_SPACES.header | typeof KEY_SPACES.payload) =>
    (await database.page(seqRange(space, chainBytes(sealer.chain), 0, 100), 100, 1 << 20)).map(([key]) =>
      seqOfKey(key),
    );
  expect([await left(KEY_SPACES.header), await left(KEY_SPACES.payload)]).toEqual([
    [4, 5, 6],
    [4, 5, 6],
  ]);
});

test("many runs of acknowledged batches go as one would, to the last byte that is wanted", async () => {
  const { sealer, all } = await chainOf(1, 40);
  const named = Array.from({ length: 13 }, (_, run): [number, number] => [3 * run, 3 * run + 1]);
  await store.acknowledge(sealer.chain, named, RECEIPT);
  const acknowledged = all.filter(({ seq }) => seq % 3 < 2 && seq < 39);
  expect(acknowledged).toHaveLength(26);
  for (let kept = 25; kept >= 0; kept -= 5) {
    await store.trim({ keepBytes: charged(acknowledged.slice(26 - kept)) });
    expect(countOf(store.chain(sealer.chain)!.trimmed)).toBe(26 - kept);
  }
});

test("more than one write may delete goes in several, and the figures are those of all", async () => {
  const { sealer, all } = await chainOf(1, 600, 10);
  await store.acknowledge(sealer.chain, [[0, 599]], RECEIPT);
  const before = store.usage().bytes;
  expect(await store.trim()).toEqual({ batches: 599, bytes: charged(all.slice(0, -1)) });
  const usage = store.usage();
  expect(before - usage.bytes).toBe(charged(all.slice(0, -1)));
  expect(usage).toMatchObject({ trimmedBatches: 599, unacknowledgedRecords: 0 });
  expect(usage.trimmedBytes).toBe(charged(all.slice(0, -1)) - 599 * BATCH_OVERHEAD_BYTES);
  expect(await store.read(sealer.chain, 0, { maxBytes: 1 << 20 })).toEqual([]);
});

test("the chain with the most to trim is trimmed first", async () => {
  const small = await chainOf(1, 10, 100);
  const large = await chainOf(2, 10, 2000);
  await store.acknowledge(small.sealer.chain, [[0, 8]], RECEIPT);
  await store.acknowledge(large.sealer.chain, [[0, 8]], RECEIPT);
  await store.trim({ keepBytes: charged(small.all.slice(0, 9)) + charged(large.all.slice(1, 9)) });
  expect(store.chain(small.sealer.chain)!.trimmed).toEqual([]);
  expect(store.chain(large.sealer.chain)!.trimmed).toEqual([[0, 0]]);
});

test("an evicted batch that is acknowledged is trimmed as what is left of it, its header", async () => {
  const { sealer, all } = await chainOf(1, 4, 500);
  const next = sealer.seal();
  const evict = [{ chain: sealer.chain, seqs: [[0, 1]] as const }];
  expect(await store.append({ chain: sealer.chain, batches: [next], evict })).toMatchObject({ ok: true });
  await store.acknowledge(sealer.chain, [[0, 1]], RECEIPT);
  expect(store.chain(sealer.chain)).toMatchObject({ records: 3, unacknowledgedRecords: 3 });
  const headers = all[0]!.header.length + all[1]!.header.length;
  expect(await store.trim()).toEqual({ batches: 2, bytes: headers + 2 * BATCH_OVERHEAD_BYTES });
  expect(store.chain(sealer.chain)).toMatchObject({ records: 3, evicted: [], trimmed: [[0, 1]] });
});

test("the head of a chain, which stays, is not among what could be trimmed", async () => {
  const sealer = new Sealer();
  const small = sealer.sealMany(4, 100);
  const head = sealer.sealMany(1, 5000);
  await store.append({ chain: sealer.chain, batches: [...small, ...head] });
  const other = await chainOf(2, 5, 1000);
  await store.acknowledge(sealer.chain, [[0, 4]], RECEIPT);
  expect(await store.trim({ keepBytes: charged(small) })).toEqual(NOTHING);
  await store.acknowledge(other.sealer.chain, [[0, 4]], RECEIPT);
  // The other chain has less in all, but more that may go.
  await store.trim({ keepBytes: charged(small) + charged(other.all.slice(1, 4)) });
  expect(store.chain(sealer.chain)!.trimmed).toEqual([]);
  expect(store.chain(other.sealer.chain)!.trimmed).toEqual([[0, 0]]);
});

test("a receipt that names nothing fresh is kept as the last one, and no state is written again", async () => {
  const { sealer } = await chainOf(1, 4);
  await store.acknowledge(sealer.chain, [[0, 2]], RECEIPT);
  const younger = Buffer.from("younger");
  const before = store.usage();
  await store.acknowledge(sealer.chain, [[0, 2]], younger);
  expect(await store.lastReceipt(sealer.chain)).toEqual(younger);
  expect(store.usage().writes).toBe(before.writes + 1);
  // Its own entry, and the total of side entries that goes with every write.
  const own = 1 + CHAIN_KEY_BYTES + younger.length;
  expect(store.usage().writtenBytes - before.writtenBytes).toBe(own + 1 + 16);
});

test("a receipt for more batches than one write notes is kept with the last of them", async () => {
  const { sealer } = await chainOf(1, 1100, 10);
  await store.acknowledge(sealer.chain, [[0, 1099]], RECEIPT);
  expect(store.chain(sealer.chain)).toMatchObject({ acknowledged: [[0, 1099]], unacknowledgedBytes: 0 });
  expect(await store.lastReceipt(sealer.chain)).toEqual(RECEIPT);
});

test("batches are counted as they are stored, a repeated one once", async () => {
  const { sealer, all } = await chainOf(1, 3);
  await store.append({ chain: sealer.chain, batches: all });
  expect(store.usage()).toMatchObject({ batches: 3, records: 3 });
});

test("a batch that does not fit has just as much trimmed for it as it needs, from one chain after the other", async () => {
  const maxBytes = 100_000;
  store = await placeInMemory().open({ maxBytes });
  const large = await chainOf(1, 2, 20_000);
  const small = await chainOf(2, 12, 1000);
  await store.acknowledge(large.sealer.chain, [[0, 0]], RECEIPT);
  await store.acknowledge(small.sealer.chain, [[0, 10]], RECEIPT);
  // What is kept for writes that make room, a sixteenth.
  const room = maxBytes - maxBytes / 16 - store.usage().bytes;
  const other = new Sealer({ lane: 0 });
  // Beyond the room by all of the large one and half of a small one.
  const next = other.sealMany(1, room + charged(large.all.slice(0, 1)) + 400 - charged(new Sealer().sealMany(1, 0)));
  expect(await store.append({ chain: other.chain, batches: next })).toMatchObject({ ok: true });
  expect(store.chain(large.sealer.chain)!.trimmed).toEqual([[0, 0]]);
  expect(store.chain(small.sealer.chain)!.trimmed).toEqual([[0, 0]]);
});

test("what fits, and what is there already in a store over its quota, has nothing trimmed for it", async () => {
  const place = placeInMemory();
  store = await place.open();
  const { sealer, all } = await chainOf(1, 5);
  await store.acknowledge(sealer.chain, [[0, 4]], RECEIPT);
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(2) });
  expect(store.chain(sealer.chain)!.trimmed).toEqual([]);
  await store.close();
  store = await place.open({ maxBytes: 1000 });
  expect(await store.append({ chain: sealer.chain, batches: all })).toMatchObject({ ok: true });
  expect(store.chain(sealer.chain)!.trimmed).toEqual([]);
});

test.each([
  ["1,024 batches", [[0, 1023]], 1],
  ["one more", [[0, 1024]], 2],
  [
    "as many in several runs",
    [
      [0, 599],
      [650, 1073],
    ],
    1,
  ],
  [
    "one more in several runs",
    [
      [0, 599],
      [650, 1074],
    ],
    2,
  ],
  [
    "many in one run behind another",
    [
      [0, 0],
      [10, 1099],
    ],
    2,
  ],
] as const)("a receipt for %s is noted in as many writes as let frames go between", async (_, named, writes) => {
  const { sealer } = await chainOf(1, 1100, 10);
  const before = store.usage().writes;
  await store.acknowledge(sealer.chain, named, RECEIPT);
  expect(store.usage().writes - before).toBe(writes);
  expect(store.chain(sealer.chain)!.acknowledged).toEqual(named);
});

/** Syncs of requests that go out together. */
async function syncsOf(...requests: (() => Promise<unknown>)[]): Promise<number> {
  const before = store.usage().syncs;
  await Promise.all(requests.map((request) => request()));
  return store.usage().syncs - before;
}

test("a receipt and an upload that brings nothing new do not wait for the disk, a batch, a side entry and a deletion do", async () => {
  const { sealer, all } = await chainOf(1, 4);
  const append = (write: Partial<StoreWrite>) => () => store.append({ chain: sealer.chain, batches: [], ...write });
  const acknowledge = () => store.acknowledge(sealer.chain, [[0, 1]], RECEIPT);
  expect(await syncsOf(acknowledge, append({ batches: all }))).toBe(0);
  expect(await syncsOf(append({ side: [{ key: "own/a", value: Buffer.from("a") }] }))).toBe(1);
  expect(await syncsOf(append({ side: [{ key: "own/a", value: null }] }))).toBe(1);
  expect(await syncsOf(append({ batches: sealer.sealMany(1) }))).toBe(1);
  const side = [{ key: "own/b", value: Buffer.from("b") }];
  expect(await syncsOf(append({ batches: sealer.sealMany(1), side }))).toBe(1);
  expect(await syncsOf(append({ evict: [{ chain: sealer.chain, seqs: [[2, 2]] }], side }))).toBe(1);
  expect(await syncsOf(append({ evict: [{ chain: sealer.chain, seqs: [[3, 3]] }] }))).toBe(1);
  expect(await syncsOf(() => store.trim())).toBe(1);
});

test("a receipt that would leave more runs than can be read again is let be, as one that was taken", async () => {
  const { chain } = new Sealer();
  const most = 4 * RUNS_MAX;
  const acknowledgeAfter = async (runs: number) => {
    const acknowledged = Array.from({ length: runs }, (_, run): [number, number] => [2 * run, 2 * run]);
    const working = { ...emptyChain(chain, chainBytes(chain)), held: [[0, 4 * most]] as const, acknowledged };
    const written: string[] = [];
    const core = { touch: () => written.push("state"), facts: { async *range() {} } };
    const group = { put: () => written.push("receipt") };
    const last = 2 * runs;
    const args = [core as never, group as never, { working } as never, [[last, last]] as const, RECEIPT] as const;
    return [await acknowledgeIn(...args), written];
  };
  expect(await acknowledgeAfter(most - 1)).toEqual([true, ["receipt", "state"]]);
  expect(await acknowledgeAfter(most)).toEqual([true, []]);
});
