import { beforeEach, describe, expect, test } from "vitest";
import { ChainStore } from "./chain-store.ts";
import type { KeyValueDatabase } from "./database.ts";
import { KEY_SPACES, sideKey, spaceKey } from "./keyspace.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer, testPayload } from "./testing/sealer.ts";
import { VirtualClock } from "@paddock/base/clock.ts";

const TOTAL = spaceKey(KEY_SPACES.sideTotal);

/** Bytes that entries of these names and lengths take. */
function sizeOf(entries: Readonly<Record<string, number>>): number {
  return Object.entries(entries).reduce((sum, [key, bytes]) => sum + sideKey(key).length + bytes, 0);
}

describe("the total of side entries", () => {
  let database: KeyValueDatabase;
  let sealer: Sealer;
  /** How many pages of side entries were read since the store was opened last. */
  let looked = 0;
  beforeEach(() => {
    const inner = memoryDatabase();
    database = {
      ...inner,
      page: (range, limit, maxBytes) => {
        if ((range.gte ?? range.gt)?.[0] === KEY_SPACES.side) looked++;
        return inner.page(range, limit, maxBytes);
      },
    };
    sealer = new Sealer();
  });

  const open = async (maxBytes = 1 << 30) => {
    looked = 0;
    const clock = new VirtualClock();
    return ChainStore.open({ database, clock, maxBytes, minFreeBytes: 0, ballastBytes: 0, arrivalLog: false });
  };
  const put = (store: ChainStore, entries: Readonly<Record<string, number | null>>) =>
    store.append({
      chain: sealer.chain,
      batches: [],
      side: Object.entries(entries).map(([key, bytes]) => ({
        key,
        value: bytes === null ? null : Buffer.alloc(bytes),
      })),
    });

  test("a store is opened without a look at what its history left behind", async () => {
    let store = await open();
    await store.append({ chain: sealer.chain, batches: [sealer.seal()] });
    for (let index = 0; index < 50; index++) await put(store, { [`kept/${index}`]: 100 });
    const held = store.usage().bytes;
    await store.close();
    store = await open();
    expect([looked, store.usage().bytes]).toEqual([0, held]);
    // What is written over was not in memory.
    await put(store, { "kept/7": 10, "kept/8": null });
    expect(store.usage().bytes).toBe(held - 90 - sizeOf({ "kept/8": 100 }));
    await store.close();
    expect((await open()).usage().bytes).toBe(held - 90 - sizeOf({ "kept/8": 100 }));
  });

  test.each([
    { title: "is missing, as in a store of an older program", change: { type: "del", key: TOTAL } as const },
    { title: "has another form", change: { type: "put", key: TOTAL, value: Buffer.of(1) } as const },
    {
      title: "is of an earlier write, behind which an older program wrote",
      change: { type: "put", key: TOTAL, value: Buffer.alloc(16) } as const,
    },
  ])("is counted anew where it $title", async ({ change }) => {
    let store = await open();
    await store.append({
      chain: sealer.chain,
      batches: [sealer.seal()],
      side: [{ key: "a", value: Buffer.alloc(500) }],
    });
    await put(store, { b: 300 });
    const held = store.usage().bytes;
    await store.close();
    await database.open();
    await database.batch([change], { sync: true });
    await database.close();
    store = await open();
    expect([looked > 0, store.usage().bytes]).toEqual([true, held]);
    await put(store, { b: 0 });
    await store.close();
    store = await open();
    expect([looked, store.usage().bytes]).toEqual([0, held - 300]);
  });

  test("entries of one write, and of writes that share one, are counted on top of each other", async () => {
    const store = await open();
    const side = [1000, 200].map((bytes) => ({ key: "twice", value: Buffer.alloc(bytes) }));
    await Promise.all([
      store.append({ chain: sealer.chain, batches: [], side }),
      put(store, { twice: 50, once: 7 }),
      put(store, { once: null }),
    ]);
    expect(store.usage().bytes).toBe(sizeOf({ twice: 50 }));
  });

  test("a write is refused for its own entries, one that does not grow and one that deletes are not", async () => {
    const maxBytes = 1 << 20;
    let store = await open(maxBytes);
    await put(store, { large: 900_000, small: 10 });
    expect(await put(store, { more: 200_000 })).toMatchObject({ ok: false, reason: "full" });
    expect((await store.side("more")).size).toBe(0);
    const batch = sealer.seal(testPayload(1, 10));
    const withEntry = { chain: sealer.chain, batches: [batch], side: [{ key: "x", value: Buffer.alloc(200_000) }] };
    expect(await store.append(withEntry)).toMatchObject({ ok: false, reason: "full" });
    await store.close();
    store = await open(maxBytes / 2);
    expect(await put(store, { more: 1 })).toMatchObject({ ok: false, reason: "full" });
    expect(await put(store, { large: 900_000 })).toMatchObject({ ok: true });
    expect(await put(store, { large: 899_000, small: 1000 })).toMatchObject({ ok: true });
    expect(await put(store, { large: null })).toMatchObject({ ok: true });
    expect(await put(store, { more: 1 })).toMatchObject({ ok: true });
  });
});
