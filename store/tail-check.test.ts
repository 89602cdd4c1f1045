import { beforeEach, describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import { chargedBytes } from "./store-core.ts";
import { ChainStore } from "./chain-store.ts";
import type { DatabaseOperation, KeyValueDatabase } from "./database.ts";
import { chainBytes, chainKey, FORMAT_VERSION, KEY_SPACES, seqKey, spaceKey } from "./keyspace.ts";
import { faultyDatabase } from "./testing/faulty-database.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer } from "./testing/sealer.ts";
import type { ChainSummary, Duty } from "./types.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";

const LOG = { maxBytes: 1 << 20, maxBatches: 100 };

describe("a store whose disk lost what it had confirmed", () => {
  let database: KeyValueDatabase;
  let sealer: Sealer;
  let batches: ReturnType<Sealer["sealMany"]>;
  let key: Buffer;
  const open = (arrivalLog = true, on = database, outOfOrder = false) =>
    ChainStore.open({
      database: on,
      maxBytes: 1 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog,
      outOfOrder,
      clock: new VirtualClock(),
    });
  const tamper = async (...operations: DatabaseOperation[]) => {
    await database.open();
    await database.batch(operations, { sync: true });
    await database.close();
  };
  const expectWhole = async (store: ChainStore, count: number) => {
    const summary = store.chain(sealer.chain)!;
    expect(summary).toMatchObject({ held: [[0, count - 1]], linked: count, records: count, head: { seq: count - 1 } });
    expect(summary.linkedHead).toEqual(batches[count - 1]!.hash);
    expect(store.usage().bytes).toBe(chargedBytes(summary.bytes, count));
    expect(await store.verify(sealer.chain)).toMatchObject({ batches: count, broken: 0, bytes: summary.bytes });
    const log = expectAccepted(await store.readLog(0, LOG));
    const left = log.filter(({ lost }) => lost === undefined);
    expect(left.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, seq) => seq));
    // Every offset is told of, also those of batches that were rolled back.
    expect(log.reduce((sum, item) => sum + item.count, 0)).toBe(store.logEnd());
  };

  beforeEach(async () => {
    database = memoryDatabase();
    sealer = new Sealer();
    batches = sealer.sealMany(6, 100);
    key = chainBytes(sealer.chain);
    const store = await open();
    for (const batch of batches.slice(0, 5)) await store.append({ chain: sealer.chain, batches: [batch] });
    await store.acknowledge(sealer.chain, [[0, 3]], Buffer.from("receipt"));
    await store.close();
  });

  test("what is repaired at an opening has reached the disk before anything goes on", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) });
    const synced: boolean[] = [];
    const watched: KeyValueDatabase = {
      ...database,
      batch: (operations, options) => {
        synced.push(options.sync);
        return database.batch(operations, options);
      },
    };
    const store = await open(true, watched);
    expect(store.recovery.length).toBeGreaterThan(0);
    expect(synced.length).toBeGreaterThan(0);
    expect(synced).not.toContain(false);
    await store.close();
  });

  test.each([
    ["its header", () => ({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) })],
    [
      "a bit of its header",
      () => ({ type: "put", key: seqKey(KEY_SPACES.header, key, 4), value: flipped(batches[4]!.header) }),
    ],
  ] as [string, () => DatabaseOperation][])("rolls back a head that lost %s", async (_, damage) => {
    await tamper(damage());
    const store = await open();
    expect(store.recovery).toMatchObject([{ action: "rolled-back", seqs: [[4, 4]] }]);
    await expectWhole(store, 4);
    expect(store.chain(sealer.chain)).toMatchObject({ acknowledged: [[0, 3]], unacknowledgedBytes: 0 });
    expect(store.logEnd()).toBe(5);
    const duty = { kind: "epoch", chain: sealer.chain, seqs: [[4, 4]], last: { seq: 3, hash: batches[3]!.hash } };
    expect(plainDuties(store)).toEqual([duty]);
    await store.close();
    const again = await open();
    expect(again.recovery).toEqual([]);
    expect(plainDuties(again)).toEqual([duty]);
    await expectWhole(again, 4);
    await again.close();
  });

  test.each([
    ["all of its payload", () => ({ type: "del", key: seqKey(KEY_SPACES.payload, key, 4) })],
    [
      "a bit of its payload",
      () => ({ type: "put", key: seqKey(KEY_SPACES.payload, key, 4), value: flipped(batches[4]!.payload) }),
    ],
  ] as [string, () => DatabaseOperation][])(
    "keeps the header of a head that lost %s, and goes on",
    async (_, damage) => {
      for (const acknowledged of [false, true]) {
        if (acknowledged) {
          const store = await open();
          await store.append({ chain: sealer.chain, batches: [batches[4]!] });
          await store.acknowledge(sealer.chain, [[0, 4]], Buffer.from("receipt"));
          await store.close();
        }
        await tamper(damage());
        const store = await open();
        expect(store.recovery).toMatchObject([{ action: "payload-lost", seqs: [[4, 4]] }]);
        const summary = store.chain(sealer.chain)!;
        expect(summary).toMatchObject({ held: [[0, 4]], evicted: [[4, 4]], linked: 5, records: 4 });
        expect(summary.head).toEqual({ seq: 4, hash: batches[4]!.hash });
        expect(store.usage().bytes).toBe(chargedBytes(summary.bytes, 5));
        expect(summary.unacknowledgedBytes).toBe(acknowledged ? 0 : summary.bytes - acknowledgedBytes(batches));
        expect(summary.unacknowledgedRecords).toBe(0);
        const { payload } = batches[4]!;
        const loss = { kind: "loss", chain: sealer.chain, seqs: [[4, 4]], records: 1, bytes: payload.length };
        expect(plainDuties(store)).toEqual(acknowledged ? [] : [loss]);
        expect(await store.verify(sealer.chain)).toMatchObject({ batches: 5, evicted: 1, broken: 0 });
        const item = expectAccepted(await store.readLog(4, LOG))[0];
        expect(item).toMatchObject({ offset: 4, seq: 4, payload: null, ...(acknowledged ? {} : { damaged: true }) });
        await store.close();
        const again = await open();
        expect(again.recovery).toEqual([]);
        expect(plainDuties(again)).toEqual(acknowledged ? [] : [loss]);
        // The payload is here again: nothing is lost any more.
        await again.append({ chain: sealer.chain, batches: [batches[4]!] });
        expect(again.duties()).toEqual([]);
        await again.close();
      }
    },
  );

  test("a chain whose end is gone takes nothing more; the first batch of a later epoch does the duty", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) });
    let store = await open();
    expect(await store.append({ chain: sealer.chain, batches: [batches[4]!] })).toMatchObject({
      ok: false,
      reason: "link",
      detail: expect.stringContaining("new epoch") as string,
    });
    await store.close();
    store = await open();
    // Another lane's epoch does not do it.
    const other = new Sealer({ lane: 2 });
    expect(await store.append({ chain: other.chain, batches: [other.seal()] })).toMatchObject({ ok: true });
    expect(store.duties()).toHaveLength(1);
    const later = new Sealer({ epoch: 1, previous: batches[3]!.hash });
    expect(await store.append({ chain: later.chain, batches: [later.seal()] })).toMatchObject({ ok: true });
    expect(store.duties()).toEqual([]);
    await store.close();
    store = await open();
    expect(store.duties()).toEqual([]);
    await store.close();
  });

  test("a loss record settles its duty in its own write, and only what it names", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.payload, key, 4) });
    let store = await open();
    await store.append({ chain: sealer.chain, batches: [batches[5]!] });
    await store.close();
    await tamper({ type: "del", key: seqKey(KEY_SPACES.payload, key, 5) });
    store = await open();
    const [duty] = store.duties();
    expect(duty).toMatchObject({ kind: "loss", seqs: [[4, 5]], records: 2 });
    const part = { ...duty!, seqs: [[4, 4]], records: 1, bytes: 1 } as Duty;
    await store.append({ chain: sealer.chain, batches: [], settles: [part] });
    expect(store.duties()).toMatchObject([{ seqs: [[5, 5]], records: 1 }]);
    await store.append({ chain: sealer.chain, batches: [sealer.seal()], settles: [duty!] });
    expect(store.duties()).toEqual([]);
    await store.close();
    store = await open();
    expect(store.duties()).toEqual([]);
    await store.close();
  });

  test("a repair that the power cut stopped has left its duty or is made again", async () => {
    await tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) });
    for (const applied of [false, true]) {
      const failing = faultyDatabase(database, { after: 0, applied });
      await expect(open(true, failing)).rejects.toThrow("input/output");
      await database.close();
      if (!applied) continue;
      const store = await open();
      expect(store.duties()).toMatchObject([{ kind: "epoch", seqs: [[4, 4]] }]);
      expect(store.recovery).toEqual([]);
      await store.close();
    }
  });

  test("a ledger rolls back without a duty, and what it lost may arrive again", async () => {
    // The lost tail of a quiet gateway lies deep in the log.
    const busy = new Sealer({ lane: 2 });
    let store = await open(true, database, true);
    await store.append({ chain: busy.chain, batches: busy.sealMany(300) });
    await store.close();
    await tamper({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) });
    store = await open(true, database, true);
    expect(store.duties()).toEqual([]);
    const deep = { maxBytes: 1 << 30, maxBatches: 1000 };
    const items = async () =>
      expectAccepted(await store.readLog(0, deep)).filter(({ chain }) => chain?.lane === sealer.chain.lane);
    expect((await items()).map(({ offset, seq, lost }) => [offset, seq, lost])).toEqual([
      [0, 0, undefined],
      [1, 1, undefined],
      [2, 2, undefined],
      [3, 3, undefined],
      [4, 4, "rolled-back"],
    ]);
    await store.append({ chain: sealer.chain, batches: [batches[4]!] });
    await store.close();
    store = await open(true, database, true);
    // Not doubled: the old place stays void.
    expect((await items()).map(({ offset, seq, lost }) => [offset, seq, lost]).slice(4)).toEqual([
      [4, 4, "rolled-back"],
      [305, 4, undefined],
    ]);
    await store.close();
  });

  test("rolls back over several to the last good one", async () => {
    await tamper(
      { type: "del", key: seqKey(KEY_SPACES.payload, key, 3) },
      { type: "del", key: seqKey(KEY_SPACES.header, key, 4) },
    );
    const store = await open();
    expect(store.recovery).toMatchObject([
      { action: "rolled-back", seqs: [[4, 4]] },
      { action: "payload-lost", seqs: [[3, 3]] },
    ]);
    expect(store.chain(sealer.chain)).toMatchObject({ held: [[0, 3]], evicted: [[3, 3]], linked: 4, records: 3 });
    expect(store.duties()).toMatchObject([{ kind: "epoch", last: { seq: 3 } }]);
    await store.close();
  });

  test("rolls back to nothing when nothing is good", async () => {
    await tamper(...[0, 1, 2, 3, 4].map((seq) => ({ type: "del" as const, key: seqKey(KEY_SPACES.header, key, seq) })));
    const store = await open();
    expect(store.chain(sealer.chain)).toMatchObject({ held: [], head: undefined, linked: 0, bytes: 0, records: 0 });
    expect(store.usage().bytes).toBe(0);
    expect(expectAccepted(await store.readLog(0, LOG)).map(({ lost }) => lost)).toEqual(Array(5).fill("rolled-back"));
    expect(store.duties()).toMatchObject([{ kind: "epoch", seqs: [[0, 4]], last: null }]);
    // Beside it others are trimmed as ever.
    const other = new Sealer({ lane: 2 });
    await store.append({ chain: other.chain, batches: other.sealMany(3) });
    await store.acknowledge(other.chain, [[0, 2]], Buffer.from("receipt"));
    expect(await store.trim()).toMatchObject({ batches: 2 });
    await store.close();
  });

  test("rolls forward over a batch that lies behind the recorded head", async () => {
    const [, , , , , next] = batches;
    await tamper(
      { type: "put", key: seqKey(KEY_SPACES.header, key, 5), value: next!.header },
      { type: "put", key: seqKey(KEY_SPACES.payload, key, 5), value: next!.payload },
    );
    const store = await open();
    expect(store.recovery).toMatchObject([{ action: "rolled-forward", seqs: [[5, 5]] }]);
    await expectWhole(store, 6);
    await store.close();
  });

  test("rolls forward over all that link behind the recorded head, and takes away what does not", async () => {
    const more = [batches[5]!, ...sealer.sealMany(2)];
    const stray = new Sealer({ seq: 9, previous: Buffer.alloc(32) }).seal();
    const put = ({ header, payload }: EncodedBatch, seq: number): DatabaseOperation[] => [
      { type: "put", key: seqKey(KEY_SPACES.header, key, seq), value: header },
      { type: "put", key: seqKey(KEY_SPACES.payload, key, seq), value: payload! },
    ];
    await tamper(...more.flatMap((batch, index) => put(batch, 5 + index)), ...put(stray, 9));
    const store = await open();
    expect(store.recovery).toMatchObject([{ action: "rolled-forward", seqs: [[5, 7]] }]);
    expect(store.chain(sealer.chain)).toMatchObject({ held: [[0, 7]], linked: 8, records: 8, head: { seq: 7 } });
    await store.close();
    const again = await open();
    expect(again.recovery).toEqual([]);
    expect(again.chain(sealer.chain)).toMatchObject({ held: [[0, 7]] });
    expect(await database.get(seqKey(KEY_SPACES.header, key, 9))).toBeUndefined();
    await again.close();
  });

  test.each([
    ["does not link", () => new Sealer({ seq: 5, previous: Buffer.alloc(32) }).seal()],
    ["is half there", () => ({ header: batches[5]!.header, payload: Buffer.from("cut") })],
  ])("takes away a batch behind the head that %s", async (_, make) => {
    const { header, payload } = make();
    await tamper(
      { type: "put", key: seqKey(KEY_SPACES.header, key, 5), value: header },
      { type: "put", key: seqKey(KEY_SPACES.payload, key, 5), value: payload },
    );
    const store = await open();
    expect(store.recovery).toEqual([]);
    await expectWhole(store, 5);
    expect(await database.get(seqKey(KEY_SPACES.payload, key, 5))).toBeUndefined();
    await store.close();
  });

  test("does not open what it cannot understand", async () => {
    await tamper({ type: "put", key: spaceKey(KEY_SPACES.format), value: Uint8Array.of(FORMAT_VERSION + 1) });
    await expect(open()).rejects.toThrow(`format ${FORMAT_VERSION + 1}`);
    await tamper({ type: "del", key: spaceKey(KEY_SPACES.format) });
    await expect(open()).rejects.toThrow("no format version");
  });

  test.each([false, true])(
    "works the state of one chain out anew when it does not decode (ledger: %s)",
    async (ledger) => {
      const other = new Sealer({ lane: 2 });
      let store = await open(true, database, ledger);
      await store.append({ chain: other.chain, batches: [other.seal()] });
      await store.append({ chain: sealer.chain, batches: [], evict: [{ chain: sealer.chain, seqs: [[3, 3]] }] });
      if (!ledger) await store.trim();
      const before = store.chain(sealer.chain)!;
      await store.close();
      await tamper({ type: "put", key: chainKey(KEY_SPACES.chain, key), value: Buffer.from("not a state") });
      store = await open(true, database, ledger);
      expect(store.damage()).toMatchObject([{ what: "state", chain: { lane: 1 } }]);
      expect(store.recovery).toMatchObject([{ action: "state-rebuilt", seqs: before.held }]);
      const after = store.chain(sealer.chain)!;
      // What receipts named is asked for again.
      const {
        acknowledged: _a,
        unacknowledgedBytes: _b,
        unacknowledgedRecords: _r,
        written: _w,
        ...known
      } = plainState(before);
      expect(plainState(after)).toMatchObject(known);
      expect(await store.verify(sealer.chain)).toMatchObject({ broken: 0 });
      const duty = { kind: "epoch", chain: { lane: 1 }, seqs: [], last: { seq: 4 } };
      expect(store.duties()).toMatchObject(ledger ? [] : [duty]);
      expect(await store.append({ chain: other.chain, batches: [other.seal()] })).toMatchObject({ ok: true });
      await store.close();
      store = await open(true, database, ledger);
      expect(store.recovery).toEqual([]);
      expect(plainState(store.chain(sealer.chain)!)).toMatchObject(known);
      await store.close();
    },
  );

  test("verification names every fault in the middle of a chain", async () => {
    await tamper(
      { type: "put", key: seqKey(KEY_SPACES.payload, key, 0), value: flipped(batches[0]!.payload) },
      { type: "del", key: seqKey(KEY_SPACES.payload, key, 1) },
      { type: "put", key: seqKey(KEY_SPACES.payload, key, 2), value: batches[2]!.payload.subarray(1) },
      { type: "del", key: seqKey(KEY_SPACES.header, key, 3) },
    );
    const store = await open();
    const { breaks } = await store.verify(sealer.chain);
    expect(breaks.map(({ seq, fault }) => `${seq} ${fault}`)).toEqual([
      "0 payload-hash",
      "1 payload-missing",
      "2 payload-size",
      "3 missing",
    ]);
    await store.close();
    const forged = new Sealer({ seq: 2, previous: Buffer.alloc(32, 1) }).seal(batches[2]!.payload);
    await tamper(
      { type: "put", key: seqKey(KEY_SPACES.header, key, 2), value: forged.header },
      { type: "put", key: seqKey(KEY_SPACES.header, key, 3), value: Buffer.from("junk") },
    );
    const forgedStore = await open();
    const found = (await forgedStore.verify(sealer.chain)).breaks.filter(({ fault }) => !fault.startsWith("payload"));
    expect(found.map(({ seq, fault }) => `${seq} ${fault}`)).toEqual(["2 link", "3 header", "4 link"]);
    await forgedStore.close();
  });
});

function plainState(summary: ChainSummary): Record<string, unknown> {
  return { ...summary, id: { lane: summary.id.lane, epoch: summary.id.epoch }, key: null };
}

function plainDuties(store: ChainStore): unknown[] {
  return store.duties().map(({ chain, ...duty }) => {
    const { lane, epoch } = chain;
    return Object.assign(duty, { chain: { gateway: Buffer.from(chain.gateway), lane, epoch } });
  });
}

/** What the first four batches, which a receipt names, take. */
function acknowledgedBytes(batches: readonly EncodedBatch[]): number {
  return batches.slice(0, 4).reduce((sum, { header, payload }) => sum + header.length + (payload?.length ?? 0), 0);
}

function flipped(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1]! ^= 1;
  return copy;
}
