import * as fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { ChainStore } from "./chain-store.ts";
import { KEY_SPACES } from "./keyspace.ts";
import { chargedBytes } from "./store-core.ts";
import { powerCutDatabase, type PowerCutDatabase } from "./testing/power-cut-database.ts";
import { Sealer } from "./testing/sealer.ts";

const RECEIPT = Buffer.from("receipt");
const SEALER = new Sealer();
const { chain } = SEALER;
const BATCHES = SEALER.sealMany(60, 40);

function open(database: PowerCutDatabase): Promise<ChainStore> {
  const clock = new VirtualClock();
  return ChainStore.open({ database, clock, maxBytes: 1 << 20, minFreeBytes: 0, ballastBytes: 0, arrivalLog: false });
}

test("a power cut takes nothing that was answered for, but receipts, which are asked for again", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant("append" as const) },
    { weight: 2, arbitrary: fc.constant("acknowledge" as const) },
    { weight: 1, arbitrary: fc.constant("trim" as const) },
    { weight: 1, arbitrary: fc.constant("evict" as const) },
    { weight: 2, arbitrary: fc.constant("cut" as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      const database = powerCutDatabase();
      let store = await open(database);
      let next = 0;
      for (const kind of [...steps, "cut" as const]) {
        if (kind === "append" && next < BATCHES.length) {
          expect(await store.append({ chain, batches: [BATCHES[next]!] })).toMatchObject({ ok: true });
          next++;
        } else if (kind === "acknowledge") {
          await store.acknowledge(chain, [[0, next >> 1]], RECEIPT);
        } else if (kind === "trim") {
          await store.trim();
        } else if (kind === "evict") {
          await store.append({ chain, batches: [], evict: (await store.evictPlan([chain], 50)).evict });
        } else if (kind === "cut") {
          const before = store.chain(chain);
          database.cut();
          store = await open(database);
          expect(store.recovery).toEqual([]);
          const after = store.chain(chain);
          expect(after?.head).toEqual(before?.head);
          expect(after?.held).toEqual(before?.held);
          expect(after?.evicted).toEqual(before?.evicted);
          await store.acknowledge(chain, before?.acknowledged ?? [], RECEIPT);
          const asked = store.chain(chain);
          expect({ ...asked, written: 0 }).toEqual(before === undefined ? { written: 0 } : { ...before, written: 0 });
          expect(store.usage().bytes).toBe(asked === undefined ? 0 : chargedBytes(asked.bytes, countOf(asked.held)));
          expect(await store.verify(chain)).toMatchObject({ broken: 0 });
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("appends, evictions and trims are synced; receipts are not", async () => {
  const database = powerCutDatabase();
  const store = await open(database);
  const syncOfLast = (): boolean => database.writes.at(-1)!.sync;
  await store.append({ chain, batches: BATCHES.slice(0, 4) });
  expect(syncOfLast()).toBe(true);
  await store.acknowledge(chain, [[0, 0]], RECEIPT);
  expect(syncOfLast()).toBe(false);
  await store.trim();
  expect(syncOfLast()).toBe(true);
  await store.append({ chain, batches: [], side: [{ key: "window", value: RECEIPT }] });
  expect(syncOfLast()).toBe(true);
  await store.append({ chain, batches: [], evict: [{ chain, seqs: [[1, 1]] }] });
  expect(syncOfLast()).toBe(true);
});

test("a repeated batch alone writes nothing", async () => {
  const database = powerCutDatabase();
  const store = await open(database);
  await store.append({ chain, batches: BATCHES.slice(0, 2) });
  const writes = database.writes.length;
  await store.append({ chain, batches: BATCHES.slice(0, 2) });
  expect(database.writes.length).toBe(writes);
});

test("start-up reads the state of a chain and its head, not what it holds", async () => {
  const database = powerCutDatabase();
  const store = await open(database);
  await store.append({ chain, batches: BATCHES });
  const seen = new Set<string>();
  const counting: PowerCutDatabase = {
    ...database,
    get(key) {
      seen.add(Buffer.from(key).toString("hex"));
      return database.get(key);
    },
    getMany(keys) {
      for (const key of keys) seen.add(Buffer.from(key).toString("hex"));
      return database.getMany(keys);
    },
    async page(range, limit, maxBytes) {
      const page = await database.page(range, limit, maxBytes);
      for (const [key] of page) seen.add(Buffer.from(key).toString("hex"));
      return page;
    },
  };
  await open(counting);
  const batchKeys = [...seen].filter((key) => {
    const space = Number.parseInt(key.slice(0, 2), 16);
    return space === KEY_SPACES.header || space === KEY_SPACES.payload;
  });
  expect(batchKeys.length).toBe(2);
});
