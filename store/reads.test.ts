import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore } from "./chain-store.ts";
import type { Damage } from "./damage.ts";
import type { DatabaseOperation, KeyValueDatabase } from "./database.ts";
import { chainBytes, KEY_SPACES, logKey, seqKey } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer, type SealedBatch } from "./testing/sealer.ts";

const ALL = { maxBytes: 1 << 20 };
const LOG = { maxBytes: 1 << 20, maxBatches: 100 };

describe("what comes off the disk is held against its hashes", () => {
  let database: KeyValueDatabase;
  let store: ChainStore;
  let sealer: Sealer;
  let batches: SealedBatch[];
  let key: Buffer;
  let told: Damage[];

  beforeEach(async () => {
    database = memoryDatabase();
    sealer = new Sealer();
    batches = sealer.sealMany(8, 100);
    key = chainBytes(sealer.chain);
    told = [];
    store = await ChainStore.open({
      database,
      maxBytes: 1 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog: true,
      clock: new VirtualClock(),
      onDamage: (found) => told.push(found),
    });
    for (const batch of batches) await store.append({ chain: sealer.chain, batches: [batch] });
  });
  afterEach(() => store.close());

  const tamper = (...operations: DatabaseOperation[]) => database.batch(operations, { sync: true });
  const put = (space: 2 | 3, seq: number, value: Uint8Array) =>
    tamper({ type: "put", key: seqKey(space, key, seq), value });

  test.each([0, 20, 40])(
    "an altered payload is never handed out, wherever its bit is (%i from the end)",
    async (back) => {
      await put(KEY_SPACES.payload, 3, flipped(batches[3]!.payload, back));
      const read = await store.read(sealer.chain, 0, ALL);
      expect(read.map(({ seq, damaged }) => [seq, damaged])).toEqual(
        batches.map(({ seq }) => [seq, seq === 3 ? true : undefined]),
      );
      expect(read[3]).toMatchObject({ payload: null });
      expect(Buffer.from(read[3]!.header)).toEqual(batches[3]!.header);
      expect(await store.readOne(sealer.chain, 3)).toMatchObject({ payload: null, damaged: true });
      const log = expectAccepted(await store.readLog(0, LOG));
      expect(log[3]).toMatchObject({ offset: 3, seq: 3, payload: null, damaged: true });
      expect(log.filter((item) => item.lost === undefined && item.payload !== null)).toHaveLength(7);
      // Once, however often and by whichever way it is read.
      expect(told).toMatchObject([{ what: "payload", seq: 3, chain: { lane: 1, epoch: 0 } }]);
      expect(store.damage()).toEqual(told);
    },
  );

  test("a missing payload, and one of another batch, are as an altered one", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.payload, key, 2) });
    await put(KEY_SPACES.payload, 5, batches[4]!.payload);
    const read = await store.read(sealer.chain, 0, ALL);
    expect(read.filter(({ damaged }) => damaged).map(({ seq }) => seq)).toEqual([2, 5]);
    expect(told.map(({ seq, what }) => [seq, what])).toEqual([
      [2, "payload"],
      [5, "payload"],
    ]);
  });

  test("an evicted payload is no damage", async () => {
    await store.append({ chain: sealer.chain, batches: [], evict: [{ chain: sealer.chain, seqs: [[1, 2]] }] });
    const read = await store.read(sealer.chain, 0, ALL);
    expect(read.map(({ payload, damaged }) => [payload === null, damaged]).slice(0, 3)).toEqual([
      [false, undefined],
      [true, undefined],
      [true, undefined],
    ]);
    expect(told).toEqual([]);
  });

  test.each([
    ["is missing", () => tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 3) })],
    ["does not decode", () => put(KEY_SPACES.header, 3, Buffer.from("junk"))],
    ["is that of another batch", () => put(KEY_SPACES.header, 3, batches[4]!.header)],
    ["has another signature", () => put(KEY_SPACES.header, 3, flipped(batches[3]!.header, 0))],
  ])("a header that %s ends a read before it and is one lost place in the log", async (_, damage) => {
    await damage();
    expect((await store.read(sealer.chain, 0, ALL)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
    expect(await store.read(sealer.chain, 3, ALL)).toEqual([]);
    expect((await store.read(sealer.chain, 4, ALL)).map(({ seq }) => seq)).toEqual([4, 5, 6, 7]);
    expect((await store.readHeaders(sealer.chain, 0, 7)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
    expect(await store.readOne(sealer.chain, 3)).toBeUndefined();
    const log = expectAccepted(await store.readLog(0, LOG));
    expect(log.map(({ offset, lost }) => [offset, lost])).toEqual(
      batches.map(({ seq }) => [seq, seq === 3 ? "header" : undefined]),
    );
    expect(log[3]).toMatchObject({ count: 1, seq: 3, chain: { lane: 1 } });
    expect(told.map(({ seq, what }) => [seq, what])).toEqual([[3, "header"]]);
  });

  test("a header whose link is altered is found, not the good one before it", async () => {
    const { header, hash } = batches[4]!;
    const at = header.indexOf(Buffer.from(batches[3]!.hash));
    expect(at).toBeGreaterThan(0);
    await put(KEY_SPACES.header, 4, flipped(header, header.length - 1 - at));
    expect(hash).toHaveLength(32);
    for (const first of [0, 3, 4]) {
      const read = await store.read(sealer.chain, first, { ...ALL, maxBatches: 4 });
      expect(read.map(({ seq }) => seq)).toEqual([0, 1, 2, 3].filter((seq) => seq >= first));
    }
    expect((await store.readOne(sealer.chain, 3))?.seq).toBe(3);
    expect(told.map(({ seq }) => seq)).toEqual([4]);
  });

  test("trims and receipts go on over a header that is gone", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 3) });
    await store.close();
    store = await ChainStore.open({
      database,
      maxBytes: 1 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog: true,
      clock: new VirtualClock(),
    });
    await store.acknowledge(sealer.chain, [[0, 6]], Buffer.from("receipt"));
    expect(await store.trim()).toMatchObject({ batches: 7 });
    expect(store.chain(sealer.chain)).toMatchObject({ held: [[7, 7]], trimmed: [[0, 6]] });
  });

  test.each([
    [[0], [[0, 1]]],
    [[2, 3], [[2, 2]]],
    [[7], [[7, 1]]],
    [
      [0, 2, 3, 4, 7],
      [
        [0, 1],
        [2, 3],
        [7, 1],
      ],
    ],
    [[0, 1, 2, 3, 4, 5, 6, 7], [[0, 8]]],
  ] as [number[], [number, number][]][])(
    "log entries %j that are gone are told with their offsets",
    async (gone, losses) => {
      await tamper(...gone.map((offset) => ({ type: "del" as const, key: logKey(offset) })));
      for (let from = 0; from <= 8; from++) {
        const items = expectAccepted(await store.readLog(from, LOG));
        let next = from;
        for (const { offset, count, lost } of items) {
          expect(offset).toBe(next);
          expect(lost === "entry").toBe(gone.includes(offset));
          next += count;
        }
        expect(next).toBe(8);
      }
      const all = expectAccepted(await store.readLog(0, LOG));
      expect(all.filter(({ lost }) => lost).map(({ offset, count }) => [offset, count])).toEqual(losses);
      expect(told.filter(({ what }) => what === "log").length).toBeGreaterThanOrEqual(losses.length);
      // Page by page it is the same.
      const single = [];
      for (let next = 0; next < 8;) {
        const [item] = expectAccepted(await store.readLog(next, { ...LOG, maxBatches: 1 }));
        single.push(item);
        next = item!.offset + item!.count;
      }
      expect(single.map((item) => [item!.offset, item!.lost])).toEqual(all.map(({ offset, lost }) => [offset, lost]));
    },
  );

  test("an offset beyond the end is out of range, the end itself is not", async () => {
    expect(await store.readLog(8, LOG)).toEqual({ ok: true, value: [] });
    expect(await store.readLog(9, LOG)).toMatchObject({ ok: false, reason: "out-of-range" });
  });
});

function flipped(bytes: Uint8Array, fromEnd: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1 - fromEnd]! ^= 1;
  return copy;
}
