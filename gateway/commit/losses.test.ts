import * as fc from "fast-check";
import { expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { contains, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { chainBytes, KEY_SPACES, seqKey } from "@paddock/store/keyspace.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { ownOf, recordsOf, settled, testDisk, TestStore, type TestDisk } from "../testing/commit-world.ts";
import { CommitLoop } from "./commit-loop.ts";
import { LOSS_PREFIX } from "./loss-book.ts";
import {
  decodeLosses,
  encodeLosses,
  fitOneBatch,
  LOSS_RANGES_MAX,
  LOSS_RECORDS_MAX,
  mergeLosses,
  type Loss,
} from "./losses.ts";

const identity = generateIdentity();
const RECEIPT = Buffer.from("receipt");
const CHAIN: ChainId = { gateway: identity.id, lane: 2, epoch: 0 };
const LIMITS = { maxBytes: 60_000 };
const SETTINGS = { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 } as const;

async function start(disk: TestDisk, clock: VirtualClock) {
  const writeMs = disk.writeMs;
  disk.writeMs = 0;
  const store = await TestStore.open(disk, clock, LIMITS);
  const loop = new CommitLoop({
    identity,
    store: store.commit,
    lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
    losses: await store.chains.side(LOSS_PREFIX),
    evictionBytesMin: 2000,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
  await settled(clock, loop.start());
  disk.writeMs = writeMs;
  const post = (bytes: number) =>
    settled(
      clock,
      new Promise<string>((resolve) => {
        const frame = { lane: 2, encodedSource: encodeSource("s"), format: 112, frame: Buffer.alloc(bytes) } as const;
        const refused = loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) =>
          resolve(failure?.reason ?? "stored"),
        );
        if (refused !== undefined) resolve(refused.reason);
      }),
    );
  return { store, loop, post };
}

/** What the loss records say that a receipt named, or that can still be sent. */
async function told(store: TestStore, arrived: readonly Loss[]): Promise<Ranges> {
  const said = [...arrived, ...(await lossesIn(store))];
  return said.reduce((ranges, loss) => union(ranges, loss.ranges), [] as Ranges);
}

async function lossesIn(store: TestStore): Promise<Loss[]> {
  const acknowledged = store.chains.chain(CHAIN)?.acknowledged ?? [];
  const batches = (await store.batches(CHAIN)).filter(({ seq }) => !contains(acknowledged, seq));
  return batches.flatMap(({ payload }) => ownOf(recordsOf(payload)).filter((record) => record.kind === "loss"));
}

test("whatever is evicted, received and started anew: a loss record that can still arrive, or did, names every lost payload", async () => {
  const step = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ kind: fc.constant("post" as const), bytes: fc.integer({ min: 10, max: 1500 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("start" as const) }) },
    // A receipt for some of what is there, as after a link that came and went.
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("receipt" as const),
        from: fc.float({ min: 0, max: 1, noNaN: true }),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 130, size: "max" }), async (steps) => {
      const clock = new VirtualClock();
      const disk = testDisk(clock);
      let world = await start(disk, clock);
      const arrived: Loss[] = [];
      for (const each of steps) {
        if (each.kind === "post") await world.post(each.bytes);
        else if (each.kind === "start") world = await start(disk, clock);
        else {
          const head = world.store.chains.chain(CHAIN)?.head?.seq;
          if (head === undefined) continue;
          const first = Math.floor(each.from * head);
          const named: Ranges = [[first, Math.min(head, first + each.count - 1)]];
          for (const { seq, payload } of await world.store.batches(CHAIN)) {
            if (!contains(named, seq)) continue;
            arrived.push(...ownOf(recordsOf(payload)).filter((record) => record.kind === "loss"));
          }
          await settled(clock, world.store.chains.acknowledge(CHAIN, named, RECEIPT));
        }
        const { evicted = [], acknowledged = [] } = world.store.chains.chain(CHAIN) ?? {};
        expect(subtract(subtract(evicted, acknowledged), await told(world.store, arrived))).toEqual([]);
      }
    }),
    { numRuns: scaled(60) },
  );
});

test("a long outage in a small store: the newest loss records name all that the older ones did, in few ranges", async () => {
  const clock = new VirtualClock();
  const { store, post } = await start(testDisk(clock), clock);
  for (let index = 0; index < 110; index++) expect(await post(1000)).toBe("stored");
  const { evicted, head } = store.chains.chain(CHAIN)!;
  const firstEviction = store.writes.findIndex(({ evict }) => evict!.length > 0);
  // Batches that said something are gone themselves.
  expect(contains(evicted, firstEviction)).toBe(true);
  expect(subtract(evicted, await told(store, []))).toEqual([]);
  expect((await lossesIn(store)).reduce((sum, { records }) => sum + records, 0)).toBeGreaterThanOrEqual(head!.seq - 60);
  // One entry for each batch that says something and is still here.
  const saying = (await store.batches(CHAIN)).filter(({ payload }) => ownOf(recordsOf(payload)).length > 0);
  expect((await store.chains.side(LOSS_PREFIX)).size).toBe(saying.length);
});

test("what was said and acknowledged is kept no longer: a later statement clears it away", async () => {
  const clock = new VirtualClock();
  const { store, post } = await start(testDisk(clock), clock);
  const saying = async (): Promise<number[]> =>
    (await store.batches(CHAIN)).filter(({ payload }) => ownOf(recordsOf(payload)).length > 0).map(({ seq }) => seq);
  while ((await saying()).length === 0) expect(await post(1000)).toBe("stored");
  const [first] = await saying();
  await settled(clock, store.chains.acknowledge(CHAIN, [[first!, first!]], RECEIPT));
  const kept = [...(await store.chains.side(LOSS_PREFIX)).keys()];
  expect(kept).toHaveLength(1);
  for (let index = 0; index < 40; index++) expect(await post(1000)).toBe("stored");
  expect([...(await store.chains.side(LOSS_PREFIX)).keys()]).not.toContain(kept[0]);
});

test("what a receipt names between plan and write is not told as lost", async () => {
  const clock = new VirtualClock();
  const { store, post } = await start(testDisk(clock), clock);
  const plan = store.commit.evictPlan.bind(store.commit);
  let raced: Ranges = [];
  store.commit.evictPlan = async (...asked) => {
    const planned = await plan(...asked);
    if (raced.length === 0 && planned.length > 0) {
      raced = planned[0]!.seqs;
      await store.chains.acknowledge(CHAIN, raced, RECEIPT);
    }
    return planned;
  };
  for (let index = 0; index < 60; index++) expect(await post(1000)).toBe("stored");
  expect(raced.length).toBeGreaterThan(0);
  expect(subtract(raced, await told(store, []))).toEqual(raced);
});

test("a payload that a start found damaged is told of before that start is over, without a frame", async () => {
  const clock = new VirtualClock();
  const disk = testDisk(clock);
  const before = await start(disk, clock);
  for (let index = 0; index < 3; index++) expect(await before.post(10)).toBe("stored");
  await settled(clock, before.loop.stop());
  const payload = seqKey(KEY_SPACES.payload, chainBytes(CHAIN), 2);
  await disk.batch([{ type: "del", key: payload }], { sync: true });
  const { store } = await start(disk, clock);
  expect(await lossesIn(store)).toEqual([expect.objectContaining({ ranges: [[2, 2]], records: 1 })]);
  expect(store.chains.duties()).toEqual([]);
  expect(store.chains.chain(CHAIN)).toMatchObject({ evicted: [[2, 2]], head: { seq: 3 } });
});

test("a batch whose losses fit beside no others stays, and what is behind it goes", async () => {
  const clock = new VirtualClock();
  const disk = testDisk(clock);
  const { store, post } = await start(disk, clock);
  // Two links' worth of receipts between them leave a backlog full of holes: each loss is many ranges.
  for (let index = 0; index < 70; index++) {
    await post(300);
    if (index % 2 === 1) await settled(clock, store.chains.acknowledge(CHAIN, [[index - 1, index - 1]], RECEIPT));
  }
  for (let index = 0; index < 90; index++) await post(900);
  const { evicted, acknowledged } = store.chains.chain(CHAIN)!;
  expect(subtract(evicted, union(acknowledged, await told(store, [])))).toEqual([]);
  for (const write of store.writes) {
    const own = write.batches.flatMap(({ payload }) => ownOf(recordsOf(payload)));
    expect(fitOneBatch(own.filter((record) => record.kind === "loss"))).toBe(true);
  }
});

const loss = (epoch: number, ranges: Ranges, reason = "evicted"): Loss => ({
  kind: "loss",
  reason,
  epoch,
  ranges,
  records: 2,
  bytes: 10,
});

const ranges = (count: number): Ranges => Array.from({ length: count }, (_, index) => [2 * index, 2 * index] as const);

test("one batch says at most so many losses with so many ranges together", () => {
  const half = LOSS_RANGES_MAX / 2;
  expect(fitOneBatch([loss(0, ranges(half)), loss(1, ranges(half))])).toBe(true);
  expect(fitOneBatch([loss(0, ranges(half)), loss(1, ranges(half + 1))])).toBe(false);
  const many = Array.from({ length: LOSS_RECORDS_MAX + 1 }, (_, epoch) => loss(epoch, ranges(1)));
  expect([fitOneBatch(many.slice(1)), fitOneBatch(many)]).toEqual([true, false]);
});

test("losses of one epoch and reason become one; their bytes are read back, and others are not", () => {
  const merged = mergeLosses([
    loss(0, [[0, 4]]),
    loss(1, [[0, 0]]),
    loss(0, [[5, 6]]),
    loss(0, [[9, 9]], "quarantined"),
  ]);
  expect(merged).toEqual([
    { ...loss(0, [[0, 6]]), records: 4, bytes: 20 },
    loss(1, [[0, 0]]),
    loss(0, [[9, 9]], "quarantined"),
  ]);
  expect(decodeLosses(encodeLosses(merged))).toEqual(merged);
  expect(decodeLosses(Buffer.of(1))).toBeUndefined();
  expect(decodeLosses(encodeLosses(merged).subarray(0, 20))).toBeUndefined();
  expect(decodeLosses(Buffer.concat([encodeLosses(merged), Buffer.of(0)]))).toBeUndefined();
  const step = encodeGatewayRecord({ kind: "clock-step", before: 1, after: 2 });
  for (const other of [step, Buffer.from("neither")]) {
    expect(decodeLosses(new CborWriter(64).array(1).bytes(other).finish())).toBeUndefined();
  }
});
