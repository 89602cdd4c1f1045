import { beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import { ChainStore } from "./chain-store.ts";
import type { Damage } from "./damage.ts";
import type { DatabaseEntry, KeyValueDatabase } from "./database.ts";
import { chainBytes, KEY_SPACES, logKey, seqKey } from "./keyspace.ts";
import type { LogLimits } from "./log-reads.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer, testPayload, type SealedBatch } from "./testing/sealer.ts";

const WIDE = 1 << 24;

let database: KeyValueDatabase;
let clock: VirtualClock;
let store: ChainStore;
let sealer: Sealer;
let told: Damage[];
/** Keys, in hex, that lie in damaged blocks. */
let bad: Set<string>;
/** Done once, when headers were read and are not yet looked at. */
let meanwhile: (() => Promise<unknown>) | undefined;
beforeEach(async () => {
  bad = new Set();
  meanwhile = undefined;
  database = strict(memoryDatabase());
  clock = new VirtualClock({ wallMs: 1000 });
  sealer = new Sealer();
  await open();
});

async function open(): Promise<void> {
  told = [];
  store = await ChainStore.open({
    database,
    clock,
    maxBytes: 1 << 26,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog: true,
    outOfOrder: true,
    onDamage: (found) => told.push(found),
  });
}

function check(...keys: readonly Uint8Array[]): void {
  if (keys.some((key) => bad.has(Buffer.from(key).toString("hex")))) throw new PaddockError("STORE_DAMAGED", "Bad.");
}

/** Pages end as soon as they may, and what lies in a damaged block cannot be read. */
function strict(inner: KeyValueDatabase): KeyValueDatabase {
  return {
    ...inner,
    async get(key) {
      check(key);
      return inner.get(key);
    },
    async getMany(keys) {
      check(...keys);
      return inner.getMany(keys);
    },
    async page(range, limit, maxBytes) {
      const entries: DatabaseEntry[] = [];
      let bytes = 0;
      for (const entry of await inner.page(range, limit, WIDE)) {
        bytes += entry[0].length + entry[1].length;
        if (entries.length > 0 && bytes > maxBytes) break;
        entries.push(entry);
      }
      check(...entries.map(([key]) => key));
      if (meanwhile !== undefined && entries[0]?.[0][0] === KEY_SPACES.header) {
        const act = meanwhile;
        meanwhile = undefined;
        await act();
      }
      return entries;
    },
  };
}

/** From now on these keys cannot be read. */
function damage(...keys: readonly Uint8Array[]): void {
  for (const key of keys) bad.add(Buffer.from(key).toString("hex"));
}

const append = (batches: readonly SealedBatch[]) => store.append({ chain: sealer.chain, batches });
const bytesOf = ({ header, payload }: SealedBatch): number => header.length + payload.length;

/** Seqs of a read. */
async function read(first: number, limits: Parameters<ChainStore["read"]>[2]) {
  return (await store.read(sealer.chain, first, limits)).map(({ seq }) => seq);
}

/** Entries of a read of the log. */
async function log(from: number, limits: Partial<LogLimits> = {}) {
  const entries = await store.readLog(from, { maxBytes: WIDE, maxBatches: 100, ...limits });
  return expectAccepted(entries).map(({ offset, count, lost }) => [offset, count, lost]);
}

async function offsets(limits: Partial<LogLimits>) {
  return (await log(0, limits)).map(([offset]) => offset);
}

const at = (ms: number) => store.logOffsetAt(ms);

describe("a read of batches", () => {
  test("gives as many as fit, to the byte, and one at least", async () => {
    const all = sealer.sealMany(5);
    await append(all);
    const two = bytesOf(all[1]!) + bytesOf(all[2]!);
    expect(await read(1, { maxBytes: two })).toEqual([1, 2]);
    expect(await read(1, { maxBytes: two - 1 })).toEqual([1]);
    expect(await read(1, { maxBytes: two + 1 })).toEqual([1, 2]);
    expect(await read(1, { maxBytes: 1 })).toEqual([1]);
  });

  test("ends at the last that is wanted, at the number that is wanted, and at the end of its run", async () => {
    const all = sealer.sealMany(8);
    await append([...all.slice(0, 4), ...all.slice(5)]);
    expect(await read(0, { maxBytes: WIDE })).toEqual([0, 1, 2, 3]);
    expect(await read(1, { maxBytes: WIDE, last: 2 })).toEqual([1, 2]);
    expect(await read(1, { maxBytes: WIDE, last: 1 })).toEqual([1]);
    expect(await read(1, { maxBytes: WIDE, maxBatches: 2 })).toEqual([1, 2]);
    expect(await read(5, { maxBytes: WIDE, last: 100, maxBatches: 100 })).toEqual([5, 6, 7]);
    expect(await read(4, { maxBytes: WIDE })).toEqual([]);
    expect(await read(8, { maxBytes: WIDE })).toEqual([]);
    expect(await store.read({ ...sealer.chain, epoch: 1 }, 0, { maxBytes: WIDE })).toEqual([]);
    const headers = async (first: number, last: number) =>
      (await store.readHeaders(sealer.chain, first, last)).map(({ seq }) => seq);
    expect([await headers(2, 9), await headers(4, 4), await headers(5, 6)]).toEqual([[2, 3], [], [5, 6]]);
  });

  test("ends before what is trimmed while it is read, whole or damaged, and does not call that damage", async () => {
    for (const damaged of [false, true]) {
      sealer = new Sealer(damaged ? { lane: 2 } : {});
      const all = sealer.sealMany(5);
      await append(all);
      const key = seqKey(KEY_SPACES.payload, chainBytes(sealer.chain), 2);
      if (damaged) await database.batch([{ type: "put", key, value: Buffer.of(1) }], { sync: true });
      await open();
      meanwhile = async () => {
        await store.acknowledge(sealer.chain, [[2, 3]], Buffer.of(1));
        await store.trim();
      };
      expect(await read(0, { maxBytes: WIDE })).toEqual([0, 1]);
      expect(store.chain(sealer.chain)).toMatchObject({ trimmed: [[2, 3]] });
      expect(told).toEqual([]);
    }
  });

  test("goes on over pages, through payloads that were given up", async () => {
    const all = sealer.sealMany(600);
    await append(all);
    await store.append({ chain: sealer.chain, batches: [], evict: [{ chain: sealer.chain, seqs: [[100, 400]] }] });
    const found = await store.read(sealer.chain, 3, { maxBytes: WIDE });
    expect(found.map(({ seq }) => seq)).toEqual(all.slice(3).map(({ seq }) => seq));
    for (const { seq, header, payload } of found) {
      expect(Buffer.compare(header, all[seq]!.header)).toBe(0);
      expect(payload === null).toBe(seq >= 100 && seq <= 400);
      if (payload !== null) expect(Buffer.compare(payload, all[seq]!.payload)).toBe(0);
    }
    // Without its payload a batch counts with its header.
    const two = all[100]!.header.length + all[101]!.header.length;
    expect(await read(100, { maxBytes: two })).toEqual([100, 101]);
    const headers = await store.readHeaders(sealer.chain, 3, 590);
    expect(headers.map(({ seq }) => seq)).toEqual(all.slice(3, 591).map(({ seq }) => seq));
    expect(headers.every(({ seq, header }) => Buffer.compare(header, all[seq]!.header) === 0)).toBe(true);
  });
});

describe("a read of the log", () => {
  let all: SealedBatch[];
  /** Three batches of 4, 1 and 3 records, written a second after each other. */
  beforeEach(async () => {
    all = [4, 1, 3].map((count) => sealer.seal(testPayload(count), count));
    for (const batch of all) {
      await append([batch]);
      clock.advance(1000);
    }
  });

  test("begins with the batch that holds the offset", async () => {
    const [first, second, third] = [
      [0, 4, undefined],
      [4, 1, undefined],
      [5, 3, undefined],
    ];
    for (const from of [0, 1, 3]) expect(await log(from)).toEqual([first, second, third]);
    expect(await log(4)).toEqual([second, third]);
    for (const from of [5, 7]) expect(await log(from)).toEqual([third]);
    expect(await log(8)).toEqual([]);
    expect(await store.readLog(9, { maxBytes: WIDE, maxBatches: 1 })).toMatchObject({ reason: "out-of-range" });
  });

  test("gives as many as fit, to the byte, and one at least", async () => {
    const two = bytesOf(all[0]!) + bytesOf(all[1]!);
    expect(await offsets({ maxBytes: two })).toEqual([0, 4]);
    expect(await offsets({ maxBytes: two - 1 })).toEqual([0]);
    expect(await offsets({ maxBytes: two + 1 })).toEqual([0, 4]);
    expect(await offsets({ maxBytes: 1 })).toEqual([0]);
    expect(await offsets({ maxBatches: 2 })).toEqual([0, 4]);
  });

  test("goes on over pages of entries", async () => {
    await append(sealer.sealMany(200));
    expect((await log(6)).length).toBe(100);
    const long = await log(0, { maxBatches: 1000 });
    expect(long).toHaveLength(203);
    expect(long.at(-1)).toEqual([207, 1, undefined]);
  });

  test("finds where a moment is, or the first batch after it", async () => {
    expect([await at(0), await at(1000), await at(1001), await at(2000)]).toEqual([0, 0, 4, 4]);
    expect([await at(2001), await at(3000), await at(3001)]).toEqual([5, 5, 8]);
    await append(sealer.sealMany(20));
    expect([await at(3000), await at(3001), await at(4000), await at(4001)]).toEqual([5, 8, 8, 28]);
  });

  test("goes over an entry that is gone: as lost, counted once, and a moment is found beside it", async () => {
    await database.batch([{ type: "del", key: logKey(4) }], { sync: true });
    expect(await log(0)).toEqual([
      [0, 4, undefined],
      [4, 1, "entry"],
      [5, 3, undefined],
    ]);
    expect(await store.verifyLog(0, 100)).toEqual({ next: 8, lost: 1 });
    expect(await store.verifyLog(0, 1)).toEqual({ next: 4, lost: 0 });
    expect(await store.verifyLog(5, 100)).toEqual({ next: 8, lost: 0 });
    expect(told).toMatchObject([{ what: "log", offset: 4, count: 1 }]);
    // When it was written cannot be said any more; the next one is the first after it.
    expect([await store.logOffsetAt(2000), await store.logOffsetAt(3000)]).toEqual([5, 5]);
    await database.batch([{ type: "del", key: logKey(5) }], { sync: true });
    expect(await store.verifyLog(4, 100)).toEqual({ next: 8, lost: 1 });
    expect(await log(0)).toEqual([
      [0, 4, undefined],
      [4, 4, "entry"],
    ]);
  });

  test("whose last entry is damaged gives out no offset that may have been given", async () => {
    await database.batch([{ type: "put", key: logKey(5), value: Buffer.from("junk") }], { sync: true });
    await store.close();
    await open();
    expect(store.logEnd()).toBe(5 + RECORDS_MAX);
    expect(told).toMatchObject([{ what: "log", offset: 5 }]);
  });
});

describe("around blocks that are damaged", () => {
  let all: SealedBatch[];
  beforeEach(async () => {
    all = sealer.sealMany(40);
    for (const batch of all) await append([batch]);
  });

  test.each([[[0]], [[39]], [[7]], [[5, 6, 7, 8, 9]], [[0, 1, 2, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39]], [all40()]])(
    "the log tells which offsets are lost, and no others: %j",
    async (lost) => {
      damage(...lost.map((offset) => logKey(offset)));
      const items = expectAccepted(await store.readLog(0, { maxBytes: WIDE, maxBatches: 100 }));
      const each = items.flatMap(({ offset, count, lost: why }) =>
        Array.from({ length: count }, (_, index) => [offset + index, why === "entry"]),
      );
      expect(each).toEqual(all.map(({ seq }) => [seq, lost.includes(seq)]));
    },
  );

  test("the log's end is behind all that it can have been", async () => {
    damage(logKey(38), logKey(39));
    await store.close();
    await open();
    expect(store.logEnd()).toBe(39 + RECORDS_MAX);
  });

  test("payloads are told as damaged one by one, and the others are given", async () => {
    const key = chainBytes(sealer.chain);
    damage(...[5, 6, 20].map((seq) => seqKey(KEY_SPACES.payload, key, seq)));
    const given = await store.read(sealer.chain, 0, { maxBytes: WIDE });
    expect(given.map(({ seq, payload }) => [seq, payload === null])).toEqual(
      all.map(({ seq }) => [seq, [5, 6, 20].includes(seq)]),
    );
    expect((await store.readOne(sealer.chain, 5))?.damaged).toBe(true);
  });

  test("headers end a read before them, and the others are given", async () => {
    damage(seqKey(KEY_SPACES.header, chainBytes(sealer.chain), 7));
    const seqs = async (first: number) =>
      (await store.read(sealer.chain, first, { maxBytes: WIDE })).map(({ seq }) => seq);
    expect(await seqs(4)).toEqual([4, 5, 6]);
    expect(await seqs(7)).toEqual([]);
    expect(await seqs(37)).toEqual([37, 38, 39]);
    expect((await store.readHeaders(sealer.chain, 5, 9)).map(({ seq }) => seq)).toEqual([5, 6]);
    expect(await store.readOne(sealer.chain, 7)).toBeUndefined();
  });
});

function all40(): number[] {
  return Array.from({ length: 40 }, (_, index) => index);
}
