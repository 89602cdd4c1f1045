import { beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore } from "./chain-store.ts";
import type { KeyValueDatabase } from "./database.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer, testPayload, type SealedBatch } from "./testing/sealer.ts";

/** A database that counts what is read, and whose writes can be held up. */
function watched(inner: KeyValueDatabase): KeyValueDatabase & { reads: number; gate: Promise<void> } {
  const database = {
    reads: 0,
    gate: Promise.resolve(),
    open: () => inner.open(),
    close: () => inner.close(),
    get: (key: Uint8Array) => (database.reads++, inner.get(key)),
    getMany: (keys: Uint8Array[]) => (database.reads++, inner.getMany(keys)),
    page: (...asked: Parameters<KeyValueDatabase["page"]>) => (database.reads++, inner.page(...asked)),
    batch: async (...asked: Parameters<KeyValueDatabase["batch"]>) => {
      await database.gate;
      await inner.batch(...asked);
    },
  };
  return database;
}

let database: ReturnType<typeof watched>;
let store: ChainStore;
let sealer: Sealer;

async function open(hotBytes: number): Promise<void> {
  const options = { maxBytes: 1 << 20, minFreeBytes: 0, ballastBytes: 0, arrivalLog: false, clock: new VirtualClock() };
  store = await ChainStore.open({ ...options, database, hotBytes });
}

beforeEach(async () => {
  database = watched(memoryDatabase());
  sealer = new Sealer();
  await open(1 << 20);
});

const sizeOf = ({ header, payload }: SealedBatch) => header.length + payload.length;
const append = (batch: SealedBatch) => store.append({ chain: sealer.chain, batches: [batch] });
const read = (first: number, limits: object = {}) => store.read(sealer.chain, first, { maxBytes: 1 << 20, ...limits });
/** Seqs of a read, and whether the disk was asked. */
async function seqs(first: number, limits: object = {}): Promise<[seqs: number[], fromDisk: boolean]> {
  const before = database.reads;
  const batches = await read(first, limits);
  return [batches.map(({ seq }) => seq), database.reads > before];
}

describe("the newest batches", () => {
  test("are read without the disk, within the limits of the read", async () => {
    const batches = Array.from({ length: 5 }, () => sealer.seal(testPayload(1, 100)));
    for (const batch of batches) await append(batch);
    expect(await seqs(0)).toEqual([[0, 1, 2, 3, 4], false]);
    expect(await seqs(1, { last: 3 })).toEqual([[1, 2, 3], false]);
    expect(await seqs(1, { maxBatches: 2 })).toEqual([[1, 2], false]);
    const two = sizeOf(batches[1]!) + sizeOf(batches[2]!);
    expect(await seqs(1, { maxBytes: two })).toEqual([[1, 2], false]);
    expect(await seqs(1, { maxBytes: two - 1 })).toEqual([[1], false]);
    expect(await seqs(0, { maxBytes: 1 })).toEqual([[0], false]);
    expect(await seqs(5)).toEqual([[], false]);
  });

  test("are what was written, though the writer uses its buffer again", async () => {
    const batch = sealer.seal(testPayload(1, 100));
    const payload = Buffer.from(batch.payload);
    await append(batch);
    batch.payload.fill(0);
    batch.header.fill(0);
    const [kept] = await read(0);
    expect(payload.equals(kept!.payload!)).toBe(true);
  });

  test("are nobody's before they are on disk", async () => {
    await append(sealer.seal());
    const { promise, resolve } = Promise.withResolvers<void>();
    database.gate = promise;
    const written = append(sealer.seal());
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect((await read(0)).map(({ seq }) => seq)).toEqual([0]);
    expect(await read(1)).toEqual([]);
    resolve();
    await written;
    expect(await seqs(0)).toEqual([[0, 1], false]);
  });

  test("without payload, given up or trimmed, are read from the disk as what they are", async () => {
    for (let count = 0; count < 4; count++) await append(sealer.seal());
    await store.append({ chain: sealer.chain, batches: [], evict: [{ chain: sealer.chain, seqs: [[1, 1]] }] });
    expect((await read(0)).map(({ payload }) => payload === null)).toEqual([false, true, false, false]);
    await store.acknowledge(sealer.chain, [[0, 1]], Buffer.from("receipt"));
    await store.trim();
    expect(await seqs(0)).toEqual([[], false]);
    expect(await seqs(2)).toEqual([[2, 3], false]);
  });

  test("push out older ones beyond the bound, which are read from the disk; a restart begins with none", async () => {
    await store.close();
    const [, later] = sealer.sealMany(2, 100);
    sealer = new Sealer();
    await open(2 * sizeOf(later!) + 50);
    for (let count = 0; count < 5; count++) await append(sealer.seal(testPayload(1, 100)));
    expect(await seqs(3)).toEqual([[3, 4], false]);
    expect(await seqs(2)).toEqual([[2, 3, 4], true]);
    await append(sealer.seal(testPayload(1, 1000)));
    expect(await seqs(4)).toEqual([[4, 5], true]);
    expect(await seqs(3, { last: 4 })).toEqual([[3, 4], false]);
    await store.close();
    await open(1 << 20);
    expect(await seqs(3)).toEqual([[3, 4, 5], true]);
  });

  test("keep their bound and their order over more than are ever remembered", async () => {
    await store.close();
    await open(2000);
    for (const batch of sealer.sealMany(1100, 20)) await append(batch);
    const [hot, fromDisk] = await seqs(1097);
    expect([hot, fromDisk]).toEqual([[1097, 1098, 1099], false]);
    expect(await seqs(1080, { last: 1081 })).toEqual([[1080, 1081], true]);
  });
});
