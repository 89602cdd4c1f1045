import { beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { chargedBytes } from "./store-core.ts";
import { ChainStore } from "./chain-store.ts";
import type { DatabaseOperation, KeyValueDatabase } from "./database.ts";
import { chainBytes, chainKey, FORMAT_VERSION, KEY_SPACES, seqKey, spaceKey } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer } from "./testing/sealer.ts";

const LOG = { maxBytes: 1 << 20, maxBatches: 100 };

describe("a store whose disk lost what it had confirmed", () => {
  let database: KeyValueDatabase;
  let sealer: Sealer;
  let batches: ReturnType<Sealer["sealMany"]>;
  let key: Buffer;
  const open = (arrivalLog = true) =>
    ChainStore.open({
      database,
      maxBytes: 1 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog,
      outOfOrder: false,
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
    expect((await store.readLog(0, LOG)).map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, seq) => seq));
  };

  beforeEach(async () => {
    database = memoryDatabase();
    sealer = new Sealer();
    batches = sealer.sealMany(6, 100);
    key = chainBytes(sealer.chain);
    const store = await open();
    for (const batch of batches.slice(0, 5)) await store.append({ chain: sealer.chain, batches: [batch] });
    await store.acknowledge(sealer.chain, [[0, 4]], Buffer.from("receipt"));
    await store.close();
  });

  test.each([
    ["its header", () => ({ type: "del", key: seqKey(KEY_SPACES.header, key, 4) })],
    ["its payload", () => ({ type: "del", key: seqKey(KEY_SPACES.payload, key, 4) })],
    [
      "a bit of its payload",
      () => ({ type: "put", key: seqKey(KEY_SPACES.payload, key, 4), value: flipped(batches[4]!.payload) }),
    ],
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
    await store.close();
    const again = await open();
    expect(again.recovery).toEqual([]);
    await expectWhole(again, 4);
    await again.close();
  });

  test("rolls back over several to the last good one", async () => {
    await tamper(
      { type: "del", key: seqKey(KEY_SPACES.payload, key, 3) },
      { type: "del", key: seqKey(KEY_SPACES.header, key, 4) },
    );
    const store = await open();
    expect(store.recovery).toMatchObject([{ action: "rolled-back", seqs: [[3, 4]] }]);
    await expectWhole(store, 3);
    await store.close();
  });

  test("rolls back to nothing when nothing is good", async () => {
    await tamper(...[0, 1, 2, 3, 4].map((seq) => ({ type: "del" as const, key: seqKey(KEY_SPACES.header, key, seq) })));
    const store = await open();
    expect(store.chain(sealer.chain)).toMatchObject({ held: [], head: undefined, linked: 0, bytes: 0, records: 0 });
    expect(store.usage().bytes).toBe(0);
    expect(await store.readLog(0, LOG)).toEqual([]);
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
    await tamper({ type: "put", key: chainKey(KEY_SPACES.chain, key), value: Buffer.from("not a state") });
    await expect(open()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    await tamper({ type: "put", key: spaceKey(KEY_SPACES.format), value: Uint8Array.of(FORMAT_VERSION + 1) });
    await expect(open()).rejects.toThrow(`format ${FORMAT_VERSION + 1}`);
    await tamper({ type: "del", key: spaceKey(KEY_SPACES.format) });
    await expect(open()).rejects.toThrow("no format version");
  });

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
    await expect(store.read(sealer.chain, 1, { maxBytes: 1 << 20 })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
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

function flipped(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1]! ^= 1;
  return copy;
}
