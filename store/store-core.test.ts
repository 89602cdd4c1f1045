import { beforeEach, expect, test } from "vitest";
import type { ChainStore } from "./chain-store.ts";
import type { KeyValueDatabase } from "./database.ts";
import { KEY_SPACES, prefixRange } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { placeInMemory } from "./testing/places.ts";
import { Sealer } from "./testing/sealer.ts";

/* What one write leaves: in the store's figures, in its keys, and for who follows the log. */

let database: KeyValueDatabase;
let store: ChainStore;
let sealer: Sealer;
beforeEach(() => {
  database = memoryDatabase();
  sealer = new Sealer();
});

async function open(arrivalLog: boolean): Promise<void> {
  store = await placeInMemory().open({ database, arrivalLog });
}

const keysIn = async (space: typeof KEY_SPACES.log): Promise<number> =>
  (await database.page(prefixRange(space), 1000, 1 << 20)).length;

test("only a store with an arrival log has entries in it, one for each batch with records", async () => {
  await open(false);
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(3) });
  expect([await keysIn(KEY_SPACES.log), store.logEnd()]).toEqual([0, 0]);
  await store.close();

  database = memoryDatabase();
  await open(true);
  const other = new Sealer();
  const outcome = await store.append({
    chain: other.chain,
    batches: [other.seal(), other.seal(Buffer.alloc(0), 0), other.seal()],
  });
  expect(outcome).toMatchObject({ ok: true, value: { logOffset: 0, stored: [[0, 2]] } });
  expect([await keysIn(KEY_SPACES.log), store.logEnd()]).toEqual([2, 2]);
  // Nothing new takes a place.
  const evict = [{ chain: other.chain, seqs: [[0, 0]] as const }];
  expect(await store.append({ chain: other.chain, batches: [], evict })).toMatchObject({
    ok: true,
    value: { logOffset: undefined },
  });
  expect(store.logEnd()).toBe(2);
});

test("an eviction is counted by batches and by the bytes of their payloads, and so is what is written", async () => {
  await open(false);
  const batches = sealer.sealMany(6, 200);
  await store.append({ chain: sealer.chain, batches });
  const before = store.usage();
  const payloads = batches.map(({ payload }) => payload.length);
  expect(before).toMatchObject({
    batches: 6,
    records: 6,
    writes: 1,
    syncs: 1,
    payloadBytes: payloads.reduce((sum, bytes) => sum + bytes, 0),
  });
  const evict = [
    {
      chain: sealer.chain,
      seqs: [
        [0, 2],
        [4, 4],
      ] as const,
    },
  ];
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(1, 200), evict });
  const evictedBytes = [0, 1, 2, 4].reduce((sum, seq) => sum + payloads[seq]!, 0);
  expect(store.usage()).toMatchObject({ batches: 7, evictedBatches: 4, evictedBytes, writes: 2, syncs: 2 });
});

test("a batch that comes without its payload counts as a batch, with neither records nor bytes of payload", async () => {
  await open(true);
  const [first, second] = sealer.sealMany(2, 100);
  await store.append({ chain: sealer.chain, batches: [{ header: first!.header, payload: null }, second!] });
  expect(store.usage()).toMatchObject({ batches: 2, records: 1, payloadBytes: second!.payload.length });
  expect(await store.read(sealer.chain, 0, { maxBytes: 1 << 20 })).toMatchObject([
    { seq: 0, payload: null },
    { seq: 1, payload: second!.payload },
  ]);
  await store.append({ chain: sealer.chain, batches: [first!] });
  expect(store.usage()).toMatchObject({ batches: 3, records: 2 });
  expect(await store.read(sealer.chain, 0, { last: 0, maxBytes: 1 << 20 })).toMatchObject([
    { seq: 0, payload: first!.payload },
  ]);
});

test.each([
  [0, 1, [0]],
  [0, 2, [0, 1]],
  [3, 3, [3, 4, 5]],
  [7, 5, [7, 8, 9]],
])("from batch %i on at most %i are read", async (first, maxBatches, seqs) => {
  await open(false);
  await store.append({ chain: sealer.chain, batches: sealer.sealMany(10) });
  const read = await store.read(sealer.chain, first, { maxBytes: 1 << 20, maxBatches });
  expect(read.map(({ seq }) => seq)).toEqual(seqs);
});

test("what is read is bounded by bytes, but one batch always comes", async () => {
  await open(false);
  const batches = sealer.sealMany(10, 100);
  await store.append({ chain: sealer.chain, batches });
  const sizes = batches.map(({ header, payload }) => header.length + payload.length);
  const upTo = (count: number) => sizes.slice(0, count).reduce((sum, bytes) => sum + bytes, 0);
  for (const [maxBytes, count] of [
    [1, 1],
    [upTo(1), 1],
    [upTo(2) - 1, 1],
    [upTo(2), 2],
    [upTo(7), 7],
    [upTo(10) + 1, 10],
  ] as const) {
    expect(await store.read(sealer.chain, 0, { maxBytes })).toHaveLength(count);
  }
});
