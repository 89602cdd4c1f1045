import { VirtualClock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId, Duty, Shortage, SideEntry } from "@paddock/store/types.ts";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import { encodeSource, FORMAT_GATEWAY, type BatchRecord } from "@paddock/wire/record.ts";
import { expect, test } from "vitest";
import { ownOf, recordsOf } from "../testing/commit-world.ts";
import type { ChainSealer } from "./chain-sealer.ts";
import type { IncomingFrame } from "./frame-sink.ts";
import { CLOSED_BATCHES_MAX, LaneWriter } from "./lane-writer.ts";
import { LossBook, NO_LOSS, type LossPlan } from "./loss-book.ts";
import { OpenBatch } from "./open-batch.ts";
import type { ChainEnd, CommitStore, EpochStart } from "./ports.ts";

/** One lane's writer between a sealer and a disk that answer when the test says so. */

const GATEWAY = Buffer.alloc(32, 7);
const START: EpochStart = { reason: "fork", previousEpoch: 0, lastSeq: 4, previous: Buffer.alloc(32, 1) };
const DISK: Shortage = { cause: "disk", wantedBytes: 1, freeBytes: 0, minFreeBytes: 1 };
const WAITS = { reason: "store-full", retryAfterS: 10 };

type Answer = "stored" | "stale" | Shortage;
interface Write {
  readonly records: readonly BatchRecord[];
  readonly plan: LossPlan;
  readonly start: EpochStart | undefined;
  answer(outcome: Answer): Promise<void>;
  fail(error: unknown): Promise<void>;
}

const turn = (): Promise<void> => new Promise((done) => void setImmediate(done));

function world({ lingerMs = 100, duties = [] }: { lingerMs?: number; duties?: readonly Duty[] } = {}) {
  const clock = new VirtualClock({ monotonicUs: 5_000_000 });
  const writes: Write[] = [];
  const deferred: (() => void)[] = [];
  const logged: [level: string, event: string, fields: unknown][] = [];
  const sealed: [chain: ChainId, seq: number, waitedUs: number][] = [];
  const fatal: unknown[] = [];
  const given: OpenBatch[] = [];
  const taken: OpenBatch[] = [];
  const room: { answer: LossPlan | "freed" | "none"; asked: [bytes: number, shortage: Shortage][] } = {
    answer: "none",
    asked: [],
  };
  const at = (level: string) => (event: string, fields?: unknown) => void logged.push([level, event, fields]);
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const store: Partial<CommitStore> = { chain: () => undefined, duties: () => duties, evictPlan: async () => [] };
  const losses = new LossBook({ store: store as CommitStore, gateway: GATEWAY, lane: 1, saved: new Map() });
  const sealer = {
    chain: { gateway: GATEWAY, lane: 1, epoch: 0 } as ChainId,
    head: undefined as ChainEnd | undefined,
    chains: () => [sealer.chain],
    append(batch: OpenBatch, plan: LossPlan, start?: EpochStart): Promise<Answer> {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const records = recordsOf(Buffer.from(batch.payload));
      writes.push({
        records,
        plan,
        start,
        answer(outcome) {
          if (outcome === "stored") {
            if (start !== undefined) sealer.chain = { ...sealer.chain, epoch: sealer.chain.epoch + 1 };
            const seq = start !== undefined || sealer.head === undefined ? 0 : sealer.head.seq + 1;
            sealer.head = { seq, hash: Buffer.alloc(32) };
            losses.said(plan, sealer.chain.epoch, seq);
          }
          resolve(outcome);
          return turn();
        },
        fail(error) {
          reject(error);
          return turn();
        },
      });
      return promise;
    },
  };
  const quality: { is: ClockQuality } = { is: 1 };
  const writer = new LaneWriter({
    sealer: sealer as unknown as ChainSealer,
    settings: { lingerMs, pressure: "refuse-new", quotaShare: 0.3 },
    losses,
    clock,
    clockQuality: { quality: () => quality.is },
    log,
    defer: (callback) => void deferred.push(callback),
    makeRoom: async (_asking, bytes, shortage) => {
      room.asked.push([bytes, shortage]);
      return room.answer;
    },
    takeBatch: () => {
      const batch = given.pop() ?? new OpenBatch();
      taken.push(batch);
      return batch;
    },
    giveBack: (batch) => void given.push(batch),
    sealed: (...args) => void sealed.push(args),
    fatal: (error) => void fatal.push(error),
  });
  const answers: (string | undefined)[] = [];
  /** A frame that somebody waits for, whose outcome goes to `answers`. */
  const post = (bytes: number, more: Partial<IncomingFrame> = {}) =>
    writer.submit(frameOf(bytes, { receivedUs: clock.monotonicUs(), ...more }), (failure) =>
      answers.push(failure?.reason ?? "stored"),
    );
  /** What was deferred to after the datagrams that are waiting. */
  const runDeferred = async (): Promise<void> => {
    for (const callback of deferred.splice(0)) callback();
    await turn();
  };
  return {
    clock,
    writes,
    deferred,
    logged,
    sealed,
    fatal,
    given,
    taken,
    room,
    sealer,
    quality,
    writer,
    answers,
    post,
    runDeferred,
  };
}

function frameOf(bytes: number, more: Partial<IncomingFrame> = {}): IncomingFrame {
  const frame = Buffer.alloc(bytes, bytes);
  return { lane: 1, encodedSource: encodeSource("s"), format: 112, frame, receivedUs: 0, ...more };
}

/** How long the frames of a write are. */
const sizes = (write: Write | undefined) =>
  write?.records.filter(({ format }) => format !== FORMAT_GATEWAY).map(({ frame }) => frame.length);
const state = (key: string): { side: SideEntry } => ({ side: { key, value: Buffer.from(key) } });
/** So long that four fit one batch and no more. */
const LONG = 60_000;
const FOUR = [LONG, LONG, LONG, LONG];

test("frames that wait in the socket share a write; those that come during it share the next", async () => {
  const { clock, writes, deferred, sealed, given, taken, writer, answers, post, runDeferred } = world();
  expect([post(1), post(2), post(3)]).toEqual([undefined, undefined, undefined]);
  expect([writes.length, deferred.length]).toEqual([0, 1]);
  await runDeferred();
  expect(sizes(writes[0])).toEqual([1, 2, 3]);
  post(4);
  post(5);
  expect([writes.length, deferred.length]).toEqual([1, 0]);
  expect(answers).toEqual([]);
  clock.advance(7);
  await writes[0]!.answer("stored");
  expect(answers).toEqual(["stored", "stored", "stored"]);
  expect(sealed).toEqual([[{ gateway: GATEWAY, lane: 1, epoch: 0 }, 0, 7000]]);
  expect(given).toEqual([taken[0]]);
  expect(taken[0]!.empty).toBe(true);
  expect(writes.map(sizes)).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  await writes[1]!.answer("stored");
  expect(answers).toHaveLength(5);
  expect(writer.counters).toMatchObject({
    committedFrames: 5,
    committedRecords: 5,
    committedBatches: 2,
    refusedStoreFull: 0,
    refusedQueueFull: 0,
  });
  expect(writer.counters.committedBytes).toBeGreaterThan(15);
  post(6);
  expect([writes.length, deferred.length]).toEqual([2, 1]);
});

test("a frame that nobody waits for lingers once; with a linger of nothing it does not", async () => {
  const { clock, writes, deferred, writer } = world();
  expect(writer.submit(frameOf(1), undefined)).toBeUndefined();
  clock.advance(60);
  writer.submit(frameOf(2), undefined);
  writer.submit(frameOf(3, { waits: false }), () => {});
  clock.advance(39);
  expect([writes.length, deferred.length]).toEqual([0, 0]);
  clock.advance(1);
  expect(writes.map(sizes)).toEqual([[1, 2, 3]]);
  await writes[0]!.answer("stored");
  clock.advance(1000);
  expect(writes).toHaveLength(1);
  writer.submit(frameOf(4), undefined);
  clock.advance(99);
  expect(writes).toHaveLength(1);
  clock.advance(1);
  expect(writes.map(sizes)).toEqual([[1, 2, 3], [4]]);

  const hasty = world({ lingerMs: 0 });
  hasty.writer.submit(frameOf(1), undefined);
  expect(hasty.deferred).toHaveLength(1);
  const asked = world();
  asked.writer.submit(frameOf(1, { waits: true }), undefined);
  expect(asked.deferred).toHaveLength(1);
});

test("a batch that was taken takes its linger along: the next one has its own", async () => {
  const { clock, writes, writer, post, runDeferred } = world();
  writer.submit(frameOf(1), undefined);
  clock.advance(60);
  post(2);
  await runDeferred();
  await writes[0]!.answer("stored");
  writer.submit(frameOf(3), undefined);
  clock.advance(99);
  expect(writes.map(sizes)).toEqual([[1, 2]]);
  clock.advance(1);
  expect(writes.map(sizes)).toEqual([[1, 2], [3]]);
});

test("a lane that cannot keep up closes so many batches and then refuses, and what is too long for any batch is an error", async () => {
  const { writes, writer, answers, post, runDeferred, given } = world();
  post(1);
  await runDeferred();
  for (let full = 0; full <= CLOSED_BATCHES_MAX; full++) for (const bytes of FOUR) expect(post(bytes)).toBeUndefined();
  expect(writer.closedBatches).toBe(CLOSED_BATCHES_MAX);
  expect(post(LONG)).toEqual({ reason: "queue-full", retryAfterS: 1 });
  expect(post(2)).toBeUndefined();
  expect(writer.counters).toMatchObject({ refusedQueueFull: 1, refusedStoreFull: 0 });
  for (let write = 0; write < writes.length; write++) await writes[write]!.answer("stored");
  expect(writes.map(sizes).slice(1, -1)).toEqual(Array.from({ length: CLOSED_BATCHES_MAX }, () => FOUR));
  expect(sizes(writes.at(-1))).toEqual([...FOUR, 2]);
  expect(answers).toHaveLength(4 * CLOSED_BATCHES_MAX + 6);
  expect(writer.closedBatches).toBe(0);
  expect(given.length).toBeGreaterThan(0);
  expect(() => post(300_000)).toThrow(RangeError);
});

test("a closed batch is written though nobody waits", async () => {
  const { writes, deferred, writer, runDeferred } = world({ lingerMs: 1e9 });
  for (const bytes of FOUR) writer.submit(frameOf(bytes), undefined);
  expect(deferred).toHaveLength(0);
  writer.submit(frameOf(LONG), undefined);
  expect(deferred).toHaveLength(1);
  await runDeferred();
  expect(writes.map(sizes)).toEqual([FOUR]);
  await writes[0]!.answer("stored");
  expect(writes).toHaveLength(1);
});

test("a flush writes what lingers and waits for all of it, but not for what nobody sent", async () => {
  const { writes, writer } = world();
  await writer.flush();
  expect(writes).toHaveLength(0);
  writer.submit(frameOf(1), undefined);
  const ends: number[] = [];
  const flushes = [1, 2].map((flush) => writer.flush().then(() => ends.push(flush)));
  await turn();
  expect(writes.map(sizes)).toEqual([[1]]);
  writer.submit(frameOf(2), undefined);
  void writer.flush().then(() => ends.push(3));
  await writes[0]!.answer("stored");
  expect([writes.length, ends]).toEqual([2, []]);
  await writes[1]!.answer("stored");
  await Promise.all(flushes);
  expect(ends).toEqual([1, 2, 3]);
});

test("without room a lane refuses for ten seconds untried, says so once, and tries again then", async () => {
  const { clock, writes, logged, room, writer, answers, post, runDeferred, given } = world();
  post(1);
  post(2);
  await runDeferred();
  expect(writer.shortage).toBeUndefined();
  await writes[0]!.answer(DISK);
  expect(room.asked).toEqual([[expect.any(Number), DISK]]);
  expect(answers).toEqual(["store-full", "store-full"]);
  expect(given).toHaveLength(1);
  expect(writer.shortage).toBe("disk");
  expect(logged).toEqual([["warn", "store-full", { lane: "telemetry", policy: "refuse-new", refused: 2 }]]);
  expect(post(3)).toEqual(WAITS);
  clock.advance(9999.999);
  expect(post(3)).toEqual(WAITS);
  expect(writer.counters.refusedStoreFull).toBe(4);
  clock.advance(0.001);
  expect(post(4)).toBeUndefined();
  await runDeferred();
  await writes[1]!.answer(DISK);
  expect(post(5)).toEqual(WAITS);
  expect(logged).toHaveLength(1);
  clock.advance(10_000);
  expect(post(6)).toBeUndefined();
  await runDeferred();
  await writes[2]!.answer("stored");
  expect(writer.shortage).toBeUndefined();
  expect(logged.slice(1)).toEqual([["info", "store-room", { lane: "telemetry" }]]);
  expect(post(7)).toBeUndefined();
});

test("room that is freed ends the refusal at once, and is no news to a lane that refuses nothing", async () => {
  const { writes, logged, writer, post, runDeferred } = world();
  writer.roomFreed();
  expect(logged).toEqual([]);
  post(1);
  await runDeferred();
  await writes[0]!.answer(DISK);
  writer.roomFreed();
  writer.roomFreed();
  expect(logged.map(([, event]) => event)).toEqual(["store-full", "store-room"]);
  expect(post(2)).toBeUndefined();
});

test("behind a refused state no later state is written, what brought none goes on", async () => {
  for (const [first, expected, frames, batches] of [
    [state("a"), ["store-full", "store-full", "store-full"], 6, 3] as const,
    [{}, ["store-full"], 1, 1] as const,
  ]) {
    const { writes, writer, answers, post, runDeferred, given } = world({ lingerMs: 1e9 });
    post(1, first);
    await runDeferred();
    // One without states that is closed, then two with states: closed, and open.
    for (const bytes of FOUR) writer.submit(frameOf(bytes), undefined);
    post(LONG, state("b"));
    for (let more = 0; more < 3; more++) writer.submit(frameOf(LONG), undefined);
    post(LONG, state("c"));
    await writes[0]!.answer(DISK);
    expect(answers).toEqual(expected);
    expect(writer.counters.refusedStoreFull).toBe(frames);
    expect(given).toHaveLength(batches);
    await writes[1]!.answer("stored");
    expect(writes.map(sizes)).toEqual(batches === 3 ? [[1], FOUR] : [[1], FOUR, FOUR]);
  }
});

test("an epoch begins with its reason alone, and what waited follows behind it", async () => {
  const { writes, logged, writer, post, runDeferred, sealed } = world();
  post(1);
  await runDeferred();
  post(2);
  const begun = writer.beginEpoch(START);
  expect(await writer.beginEpoch(START)).toBe(false);
  expect(writes).toHaveLength(1);
  await writes[0]!.answer("stored");
  expect(writes.map(({ start }) => start)).toEqual([undefined, START]);
  expect(sizes(writes[1])).toEqual([]);
  const { reason, previousEpoch, lastSeq } = START;
  expect(ownOf(writes[1]!.records)).toEqual([{ kind: "epoch-change", reason, previousEpoch, lastSeq }]);
  await writes[1]!.answer("stored");
  expect(await begun).toBe(true);
  expect(logged).toEqual([["warn", "epoch-change", { lane: "telemetry", epoch: 1, reason: "fork", lastSeq: 4 }]]);
  expect(sealed.at(-1)).toEqual([{ gateway: GATEWAY, lane: 1, epoch: 1 }, 0, 0]);
  expect(writes.map(sizes)).toEqual([[1], [], [2]]);
  expect(writes[2]!.start).toBeUndefined();
  await writes[2]!.answer("stored");
  expect(writes).toHaveLength(3);
});

test("an epoch that finds no room refuses all that waits, and begins before anything else once there is some", async () => {
  const { clock, writes, logged, writer, answers, post, runDeferred } = world();
  writer.submit(frameOf(1), undefined);
  const begun = writer.beginEpoch(START);
  await writes[0]!.answer(DISK);
  expect(await begun).toBe(false);
  expect(writer.counters.refusedStoreFull).toBe(1);
  const said = [
    ["warn", "store-full", { lane: "telemetry", policy: "refuse-new", refused: 1 }],
    ["warn", "epoch-not-changed", { lane: "telemetry", epoch: 0, reason: "fork" }],
  ];
  expect(logged).toEqual(said);
  await writer.flush();
  expect(writes).toHaveLength(1);
  clock.advance(10_000);
  post(2);
  await runDeferred();
  expect(writes).toHaveLength(2);
  expect(writes[1]!.start).toBe(START);
  await writes[1]!.answer(DISK);
  expect(answers).toEqual(["store-full"]);
  expect(logged).toEqual(said);
  writer.roomFreed();
  await writes[2]!.answer("stored");
  expect(writes[2]!.start).toBe(START);
  expect(logged.map(([, event]) => event)).toEqual(["store-full", "epoch-not-changed", "store-room", "epoch-change"]);
  post(3);
  await runDeferred();
  expect(writes[3]!.start).toBeUndefined();
});

test("an epoch that finds no room is told though no frame was refused with it", async () => {
  const { writes, logged, writer } = world();
  const begun = writer.beginEpoch(START);
  await writes[0]!.answer(DISK);
  expect(await begun).toBe(false);
  expect(logged.map(([, event]) => event)).toEqual(["store-full", "epoch-not-changed"]);
  expect(writer.submit(frameOf(1), undefined)).toEqual(WAITS);
});

test("after a write that failed nothing is written, and everybody who waits hears of it", async () => {
  const { writes, fatal, writer, post, runDeferred, clock } = world();
  const broken = new Error("broken");
  post(1);
  await runDeferred();
  const flushed = writer.flush();
  const begun = writer.beginEpoch(START);
  const ends = Promise.allSettled([flushed, begun]);
  await writes[0]!.fail(broken);
  expect(await ends).toEqual([
    { status: "rejected", reason: broken },
    { status: "rejected", reason: broken },
  ]);
  expect(fatal).toEqual([broken]);
  await expect(writer.flush()).rejects.toBe(broken);
  await expect(writer.beginEpoch(START)).rejects.toBe(broken);
  const lost = { chain: { gateway: GATEWAY, lane: 1, epoch: 0 }, seqs: [[0, 0]], records: 1, bytes: 1 } as const;
  await expect(writer.quarantine(lost)).rejects.toBe(broken);
  clock.advance(100_000);
  await runDeferred();
  expect(writes).toHaveLength(1);
});

test("what was given up for a write is counted and told when it is stored", async () => {
  const { writes, logged, room, writer, post, runDeferred } = world();
  const chain: ChainId = { gateway: GATEWAY, lane: 0, epoch: 3 };
  const eviction = (seq: number): PlannedEviction => ({
    chain,
    seqs: [[seq, seq]],
    records: 10 + seq,
    bytes: 100 + seq,
  });
  const loss = { kind: "loss", reason: "evicted", epoch: 3, ranges: [[1, 2]], records: 23, bytes: 203 } as const;
  room.answer = { ...NO_LOSS, evictions: [eviction(1), eviction(2)], losses: [loss] };
  post(1);
  await runDeferred();
  await writes[0]!.answer(DISK);
  expect(writer.counters).toMatchObject({ evictedRecords: 0, evictedBytes: 0 });
  expect(ownOf(writes[1]!.records)).toEqual([loss]);
  await writes[1]!.answer("stored");
  expect(writer.counters).toMatchObject({
    evictedRecords: 23,
    evictedBytes: 203,
    committedFrames: 1,
    committedRecords: 2,
  });
  expect(logged).toEqual(
    [1, 2].map((seq) => [
      "warn",
      "evicted",
      { lane: "alarm", epoch: 3, seqs: [[seq, seq]], records: 10 + seq, bytes: 100 + seq },
    ]),
  );
});

test("a loss that a repair left is told by the first write, without frames if it must be", async () => {
  const chain: ChainId = { gateway: GATEWAY, lane: 1, epoch: 0 };
  const duty: Duty = { kind: "loss", chain, seqs: [[3, 3]], records: 2, bytes: 20 };
  const { writes, logged, writer, clock } = world({ duties: [duty] });
  const flushed = writer.flush();
  await turn();
  expect(writes).toHaveLength(1);
  await writes[0]!.answer("stored");
  await flushed;
  const fields = { lane: "telemetry", epoch: 0, reason: "quarantined", seqs: [[3, 3]], records: 2, bytes: 20 };
  expect(logged).toEqual([["error", "loss-told", fields]]);
  expect(writes[0]!.plan.settles).toEqual([duty]);
  await writer.flush();
  clock.advance(1000);
  expect(writes).toHaveLength(1);
});

test("a loss that finds no room waits for some without refusing frames, and is no epoch's hindrance", async () => {
  const chain: ChainId = { gateway: GATEWAY, lane: 1, epoch: 0 };
  const duty: Duty = { kind: "loss", chain, seqs: [[3, 3]], records: 2, bytes: 20 };
  const { writes, logged, writer, post, runDeferred } = world({ duties: [duty] });
  const flushed = writer.flush();
  await turn();
  await writes[0]!.answer(DISK);
  await flushed;
  expect([writes.length, logged.length, writer.shortage]).toEqual([1, 0, undefined]);
  expect(writer.counters.refusedStoreFull).toBe(0);
  post(1);
  await runDeferred();
  expect(sizes(writes[1])).toEqual([1]);
  await writes[1]!.answer("stored");
  expect(logged.map(([, event]) => event)).toEqual(["loss-told"]);
});

test("a clock that was stepped is told by the batch that begins after it, whatever that is", async () => {
  const { clock, writes, logged, quality, writer, post, runDeferred } = world();
  post(1);
  await runDeferred();
  await writes[0]!.answer("stored");
  clock.stepWall(5000);
  quality.is = 2;
  post(2);
  await runDeferred();
  const [step] = ownOf(writes[1]!.records);
  expect(step).toMatchObject({ kind: "clock-step" });
  expect(step).toMatchObject({ after: (step as { before: number }).before + 5000 });
  const { before, after } = step as { before: number; after: number };
  expect(logged).toEqual([["warn", "clock-step", { lane: "telemetry", before, after, quality: 2 }]]);
  await writes[1]!.answer("stored");
  clock.stepWall(-3000);
  void writer.beginEpoch(START);
  expect(ownOf(writes[2]!.records).map(({ kind }) => kind)).toEqual(["epoch-change", "clock-step"]);
  await writes[2]!.answer("stored");
  post(3);
  await runDeferred();
  expect(ownOf(writes[3]!.records)).toEqual([]);
});
