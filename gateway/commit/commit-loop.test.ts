import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import * as fc from "fast-check";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { countOf } from "@paddock/base/ranges.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Lane, LaneName } from "@paddock/wire/lanes.ts";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import { encodeSource, FORMAT_GATEWAY, type BatchRecord } from "@paddock/wire/record.ts";
import { letPass, ownOf, recordsOf, settled, TestStore, testDisk } from "../testing/commit-world.ts";
import { CommitLoop, type CommitLoopOptions } from "./commit-loop.ts";
import type { Committed, NoteBook, Pressure } from "./frame-sink.ts";
import { CLOSED_BATCHES_MAX } from "./lane-writer.ts";
import type { LaneSettings } from "./ports.ts";

const identity = generateIdentity();
const source = encodeSource("sensor-1");
const RECEIPT = Buffer.from("receipt");
const SETTINGS: Record<LaneName, LaneSettings> = {
  alarm: { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.2 },
  telemetry: { lingerMs: 5, pressure: "evict-oldest", quotaShare: 0.5 },
  bulk: { lingerMs: 20, pressure: "evict-oldest", quotaShare: 0.3 },
};

interface WorldOptions {
  maxBytes?: number;
  /** How long a synced write takes. */
  writeMs?: number;
  lanes?: Record<LaneName, LaneSettings>;
  evictionBytesMin?: number;
}

const chainOf = (lane: Lane, epoch = 0): ChainId => ({ gateway: identity.id, lane, epoch });

async function world(options: WorldOptions = {}) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5, 1), monotonicUs: 5_000_000 });
  const disk = testDisk(clock);
  const store = await TestStore.open(disk, clock, { maxBytes: options.maxBytes ?? 1 << 30 });
  disk.writeMs = options.writeMs ?? 1;
  const fatal: unknown[] = [];
  let quality: 0 | 1 | 2 = 1;
  const loopOver = (boot: number, epochStarts?: CommitLoopOptions["epochStarts"]) =>
    new CommitLoop({
      identity,
      store: store.commit,
      lanes: options.lanes ?? SETTINGS,
      ...(epochStarts === undefined ? {} : { epochStarts }),
      losses: new Map(),
      evictionBytesMin: options.evictionBytesMin ?? 1000,
      boot,
      clock,
      clockQuality: { quality: () => quality },
      log: silentLog,
      defer: (callback) => void clock.after(0, callback),
      fatal: (error) => fatal.push(error),
    });
  const loop = loopOver(3);
  const submit = (lane: Lane, frame: Uint8Array, committed?: Committed, side?: string) =>
    loop.submit(
      {
        lane,
        encodedSource: source,
        format: 112,
        frame,
        receivedUs: clock.monotonicUs(),
        ...(side === undefined ? {} : { side: { key: side, value: Buffer.from(frame) } }),
      },
      committed,
    );
  const frames = async (lane: Lane): Promise<BatchRecord[]> =>
    (await store.records(chainOf(lane))).filter((record) => record.format !== FORMAT_GATEWAY);
  const own = async (lane: Lane) => ownOf(await store.records(chainOf(lane)));
  return {
    clock,
    disk,
    store,
    loop,
    loopOver,
    fatal,
    submit,
    pass: (ms: number, stepMs?: number) => letPass(clock, ms, stepMs),
    frames,
    own,
    setQuality: (q: 0 | 1 | 2) => (quality = q),
  };
}

const numbered = (index: number, bytes = 8): Buffer => {
  const frame = Buffer.alloc(bytes);
  frame.writeUInt32BE(index);
  return frame;
};

describe("CommitLoop", () => {
  test("every accepted frame is in exactly one batch, in order per lane, and is reported once, after the append", async () => {
    const step = fc.record({
      lane: fc.constantFrom<Lane>(0, 1, 2),
      bytes: fc.integer({ min: 4, max: 3000 }),
      waits: fc.boolean(),
      pauseMs: fc.constantFrom(0, 0, 0, 0.5, 3, 30),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
        fc.constantFrom(0.5, 4, 15),
        async (steps, writeMs) => {
          const { loop, store, submit, pass, frames } = await world({ writeMs });
          const accepted: number[][] = [[], [], []];
          const reports = new Map<number, number>();
          let awaited = 0;
          for (const [index, { lane, bytes, waits, pauseMs }] of steps.entries()) {
            const onCommit = (failure: Pressure | undefined) => {
              expect(failure).toBeUndefined();
              expect(store.chains.chain(chainOf(lane))!.records).toBeGreaterThanOrEqual(
                accepted[lane]!.indexOf(index) + 1,
              );
              reports.set(index, (reports.get(index) ?? 0) + 1);
            };
            expect(submit(lane, numbered(index, bytes), waits ? onCommit : undefined)).toBeUndefined();
            accepted[lane]!.push(index);
            if (waits) awaited++;
            if (pauseMs > 0) await pass(pauseMs);
          }
          const stopped = loop.stop();
          await pass(100);
          await stopped;
          for (const lane of [0, 1, 2] as const) {
            expect((await frames(lane)).map((record) => Buffer.from(record.frame).readUInt32BE())).toEqual(
              accepted[lane],
            );
          }
          expect(reports.size).toBe(awaited);
          expect([...reports.values()].every((count) => count === 1)).toBe(true);
        },
      ),
      { numRuns: scaled(240) },
    );
  });

  test("while a write is under way the next batch fills: one write for all that came meanwhile", async () => {
    const { store, submit, pass } = await world({ writeMs: 10 });
    const reported: number[] = [];
    for (let index = 0; index < 50; index++) {
      submit(1, numbered(index), () => reported.push(index));
      await pass(0.5);
    }
    await pass(40);
    expect(reported).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(store.writes.length).toBeLessThanOrEqual(5);
  });

  test("what is stored is counted by frames and bytes, and who follows the chain is told each place that was taken, once stored", async () => {
    const { loop, store, submit, pass } = await world({ writeMs: 2 });
    const told: [lane: Lane, epoch: number, seq: number, heldBefore: boolean][] = [];
    loop.onSealed((lane, epoch, seq) => {
      told.push([lane, epoch, seq, (store.chains.chain(chainOf(lane))?.head?.seq ?? -1) >= seq]);
    });
    for (let index = 0; index < 7; index++) submit(0, numbered(index), () => {});
    await pass(10);
    submit(0, numbered(7), () => {});
    await pass(10);
    expect(told).toEqual([
      [0, 0, 0, true],
      [0, 0, 1, true],
    ]);
    const payloads = (await store.batches(chainOf(0))).map(({ payload }) => payload!.length);
    expect(loop.lanes()[0]).toMatchObject({
      committedFrames: 8,
      committedBatches: 2,
      committedBytes: payloads.reduce((sum, bytes) => sum + bytes, 0),
    });
  });

  test("the datagrams of one poll share a write, although somebody waits for the first", async () => {
    const { store, submit, pass } = await world();
    for (let index = 0; index < 20; index++) submit(0, numbered(index), () => {});
    await pass(5);
    expect(store.writes).toHaveLength(1);
  });

  test("a frame that nobody waits for lingers for the lane's time, not longer", async () => {
    const { store, submit, pass } = await world({ writeMs: 0.5 });
    submit(2, numbered(1));
    await pass(19);
    expect(store.writes).toHaveLength(0);
    await pass(3);
    expect(store.writes).toHaveLength(1);
  });

  test("a frame whose write is told to somebody, but waited for by nobody, lingers as well", async () => {
    const { loop, clock, store, pass } = await world({ writeMs: 0.5 });
    const told: unknown[] = [];
    const frame = { lane: 2 as Lane, encodedSource: Buffer.of(0x60), format: 112, frame: numbered(1) };
    loop.submit({ ...frame, receivedUs: clock.monotonicUs(), waits: false }, (failure) => told.push(failure));
    await pass(19);
    expect(store.writes).toHaveLength(0);
    await pass(3);
    expect([store.writes.length, told]).toEqual([1, [undefined]]);
  });

  test("somebody who waits takes lingering frames along at once", async () => {
    const { submit, pass, frames } = await world({ writeMs: 0.5 });
    submit(2, numbered(1));
    submit(2, numbered(2), () => {});
    await pass(2);
    expect(await frames(2)).toHaveLength(2);
  });

  test("the last value of a side key is written with its frame", async () => {
    const { store, submit, pass } = await world();
    submit(1, numbered(1), undefined, "window/a");
    submit(1, numbered(2), () => {}, "window/a");
    await pass(5);
    expect(store.writes[0]!.side).toEqual([{ key: "window/a", value: numbered(2) }]);
  });

  test("what the frames of a batch note is written with it, of every frame that the largest batch can have", async () => {
    const book: NoteBook = {
      entry: (lane, us, notes) => ({
        key: `book:${lane}`,
        value: Buffer.from(JSON.stringify([us, notes.length, notes[0]])),
      }),
    };
    const { loop, clock, store, pass } = await world();
    const send = (index: number) => {
      const frame = { lane: 2 as Lane, encodedSource: Buffer.of(0x60), format: 112, frame: numbered(index, 4) };
      loop.submit({ ...frame, receivedUs: clock.monotonicUs(), note: { low: index, high: -index, book } }, () => {});
    };
    const written = () => store.writes.map(({ side }) => side!.map(({ key, value }) => `${key} ${String(value)}`));
    send(7);
    await pass(5);
    for (let index = 0; index < RECORDS_MAX; index++) send(index);
    await pass(5);
    expect(written()[0]).toEqual(["book:2 [5000000,2,7]"]);
    const [count] = store.writes[1]!.batches.map(({ decoded }) => decoded!.position.count);
    expect(count).toBeGreaterThan(RECORDS_MAX / 2);
    expect(written()[1]).toEqual([`book:2 [5005000,${2 * count!},0]`]);
  });

  test("a disk that stalls ends in queue-full, bounded, and nothing accepted is lost", async () => {
    const { loop, submit, pass, frames } = await world({ writeMs: 1000 });
    let accepted = 0;
    let pressure: Pressure | undefined;
    while (pressure === undefined && accepted < 10_000) {
      pressure = submit(1, numbered(accepted, 60_000));
      if (pressure === undefined) accepted++;
    }
    expect(pressure).toEqual({ reason: "queue-full", retryAfterS: 1 });
    expect(accepted).toBeLessThanOrEqual((CLOSED_BATCHES_MAX + 2) * 4);
    expect(loop.lanes()[1]!.refusedQueueFull).toBe(1);
    const stopped = loop.stop();
    await pass(30_000, 50);
    await stopped;
    expect(await frames(1)).toHaveLength(accepted);
  });

  test("refuse-new: a full store refuses, tells the waiting, and takes frames again once there is room", async () => {
    const { loop, clock, store, submit, pass, frames } = await world({
      maxBytes: 8000,
      lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } },
    });
    const outcomes: (Pressure | undefined)[] = [];
    for (let index = 0; index < 12; index++) {
      const refused = submit(0, numbered(index, 1000), (failure) => outcomes.push(failure));
      if (refused !== undefined) outcomes.push(refused);
      await pass(5);
    }
    const durable = outcomes.filter((outcome) => outcome === undefined).length;
    expect(durable).toBe((await frames(0)).length);
    expect(durable).toBeGreaterThan(2);
    expect(outcomes.at(-1)).toEqual({ reason: "store-full", retryAfterS: 10 });
    expect(loop.lanes()[0]!.shortage).toBe("quota");
    await settled(clock, store.chains.acknowledge(chainOf(0), [[0, 1]], RECEIPT));
    loop.roomFreed();
    expect(submit(0, numbered(99, 1000), (failure) => outcomes.push(failure))).toBeUndefined();
    await pass(5);
    expect(outcomes.at(-1)).toBeUndefined();
  });

  test("full is said until something fits again, however slow the sensors are", async () => {
    const { loop, clock, store, submit, pass } = await world({
      maxBytes: 8000,
      lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } },
    });
    for (let index = 0; index < 12; index++) {
      submit(0, numbered(index, 1000), () => {});
      await pass(5);
    }
    clock.advance(3_600_000);
    expect(loop.lanes()[0]!.shortage).toBe("quota");
    await settled(clock, store.chains.acknowledge(chainOf(0), [[0, 1]], RECEIPT));
    submit(0, numbered(99, 1000), () => {});
    await pass(5);
    expect(loop.lanes()[0]!.shortage).toBeUndefined();
  });

  test("an epoch for which there is no room begins when a receipt makes some, without a frame", async () => {
    const first = await world({ maxBytes: 8000, lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } } });
    const { clock, store, submit, pass } = first;
    for (let index = 0; index < 12; index++) {
      submit(0, numbered(index, 1000), () => {});
      await pass(5);
    }
    // Into the last corner.
    for (let bytes = 900; bytes > 4; bytes -= 100) {
      clock.advance(11_000);
      submit(0, numbered(bytes, bytes), () => {});
      await pass(5);
    }
    const { seq: lastSeq, hash: previous } = store.chains.chain(chainOf(0))!.head!;
    const loop = first.loopOver(4, { alarm: { reason: "rolled-back", previousEpoch: 0, lastSeq, previous } });
    await settled(clock, loop.start());
    expect(loop.lanes()[0]).toMatchObject({ epoch: 0, shortage: "quota" });
    const frame = { lane: 0 as Lane, encodedSource: source, format: 112, frame: numbered(1) };
    expect(loop.submit({ ...frame, receivedUs: clock.monotonicUs() })).toMatchObject({ reason: "store-full" });
    await settled(clock, store.chains.acknowledge(chainOf(0), [[0, 3]], RECEIPT));
    loop.roomFreed();
    await pass(5);
    expect(loop.lanes()[0]).toMatchObject({ epoch: 1, head: 0, shortage: undefined });
  });

  test("a refused frame takes those behind it along whose states count it as stored", async () => {
    const { store, submit, pass, frames } = await world({
      maxBytes: 100_000,
      lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } },
      writeMs: 10,
    });
    const outcomes: string[] = [];
    const note = (name: string) => (failure: Pressure | undefined) =>
      outcomes.push(`${name} ${failure?.reason ?? "stored"}`);
    submit(0, numbered(0), note("first"));
    await pass(2);
    // While that is written: four frames that fill a batch, and one behind them.
    for (let index = 1; index <= 4; index++) submit(0, numbered(index, 60_000), note("large"), "window/a");
    // Would fit the store, but its state holds the numbers of the large ones, too.
    expect(submit(0, numbered(5, 22_000), note("small"), "window/a")).toBeUndefined();
    await pass(100);
    const larges = Array.from({ length: 4 }, () => "large store-full");
    expect(outcomes).toEqual(["first stored", ...larges, "small store-full"]);
    expect(await frames(0)).toHaveLength(1);
    expect((await store.chains.side("")).size).toBe(0);
  });

  test("evict-oldest: payloads go in the same write as the loss record that names them exactly", async () => {
    const { store, submit, pass, own } = await world({ maxBytes: 40_000, evictionBytesMin: 2500 });
    for (let index = 0; index < 40; index++) {
      expect(submit(1, numbered(index, 900), (failure) => expect(failure).toBeUndefined())).toBeUndefined();
      await pass(5);
    }
    expect(countOf(store.chains.chain(chainOf(1))!.evicted)).toBeGreaterThan(5);
    for (const write of store.writes) {
      const named = write.batches.flatMap((batch) => ownOf(recordsOf(batch.payload)));
      expect(named).toHaveLength((write.evict ?? []).length);
      for (const [index, record] of named.entries()) {
        expect(record).toMatchObject({ kind: "loss", reason: "evicted", epoch: 0, ranges: write.evict![index]!.seqs });
      }
    }
    expect((await own(1)).length).toBeGreaterThan(0);
  });

  test("an alarm takes room from the lane that is above its share, and that lane's chain says so", async () => {
    const { store, submit, pass, frames, own } = await world({ maxBytes: 26_000, evictionBytesMin: 4000 });
    for (let index = 0; index < 17; index++) {
      submit(2, numbered(index, 800), () => {});
      await pass(5);
    }
    const outcomes: (Pressure | undefined)[] = [];
    for (let index = 0; index < 4; index++) {
      submit(0, numbered(index, 900), (failure) => outcomes.push(failure));
      await pass(20);
    }
    expect(outcomes).toEqual([undefined, undefined, undefined, undefined]);
    expect(await frames(0)).toHaveLength(4);
    expect((await own(2))[0]).toMatchObject({ kind: "loss", reason: "evicted" });
    expect(
      store.writes.every((write) => write.evict!.every((eviction) => eviction.chain.lane === write.chain.lane)),
    ).toBe(true);
  });

  test("all lanes above water at once come to an end, whatever their order", async () => {
    const lane = fc.constantFrom<Lane>(0, 1, 2);
    await fc.assert(
      fc.asyncProperty(fc.array(lane, { minLength: 40, maxLength: 120 }), async (order) => {
        const { loop, submit, pass } = await world({ maxBytes: 25_000, evictionBytesMin: 1500, writeMs: 0.5 });
        let open = 0;
        for (const [index, which] of order.entries()) {
          const pressure = submit(which, numbered(index, 700), () => open--);
          if (pressure === undefined) open++;
          if (index % 5 === 0) await pass(1);
        }
        let stopped = false;
        void loop.stop().then(() => (stopped = true));
        await pass(400);
        expect(stopped).toBe(true);
        expect(open).toBe(0);
      }),
      { numRuns: scaled(120) },
    );
  });

  test("what is acknowledged is trimmed before anything is evicted or refused", async () => {
    const { clock, store, submit, pass } = await world({ maxBytes: 8000 });
    for (let index = 0; index < 20; index++) {
      if (index > 1) await settled(clock, store.chains.acknowledge(chainOf(1), [[0, index - 2]], RECEIPT));
      submit(1, numbered(index, 1000), (failure) => expect(failure).toBeUndefined());
      await pass(5);
    }
    expect(store.writes).toHaveLength(20);
    expect(store.writes.every((write) => write.evict!.length === 0)).toBe(true);
  });

  test("a wall clock that steps is said in the next batch of each lane, with both times of the same instant", async () => {
    const { clock, submit, pass, own, setQuality, store } = await world();
    submit(1, numbered(1), () => {});
    submit(0, numbered(1), () => {});
    await pass(5);
    clock.stepWall(86_400_000);
    setQuality(2);
    submit(1, numbered(2), () => {});
    submit(0, numbered(2), () => {});
    await pass(5);
    submit(1, numbered(3), () => {});
    await pass(5);
    for (const lane of [0, 1] as const) {
      const [step, ...more] = await own(lane);
      expect(more).toEqual([]);
      if (step?.kind !== "clock-step") throw new Error("no clock-step record");
      expect(step.after - step.before).toBe(86_400_000);
    }
    const { position } = store.writes.findLast(({ chain }) => chain.lane === 1)!.batches[0]!.decoded!;
    expect(position).toMatchObject({ boot: 3, clock: 2, monotonic: 5_010_000 });
    expect(position.wall).toBe(clock.wallMs() - 5);
  });

  test("a failed write is fatal: nobody is told anything, and no further write follows", async () => {
    const { disk, store, fatal, submit, pass } = await world();
    disk.failWith = new Error("the disk is gone");
    let told = 0;
    submit(1, numbered(1), () => told++);
    await pass(5);
    submit(1, numbered(2), () => told++);
    await pass(20);
    expect(fatal).toMatchObject([{ code: "STORE_WRITE_FAILED", cause: disk.failWith }]);
    expect(told).toBe(0);
    expect(store.writes).toHaveLength(0);
  });

  test("a failed write ends every wait, of this lane and of one that waits for its room", async () => {
    const { disk, loop, submit, pass } = await world({ maxBytes: 26_000 });
    for (let index = 0; index < 17; index++) {
      submit(2, numbered(index, 800), () => {});
      await pass(5);
    }
    disk.failWith = new Error("the disk is gone");
    submit(0, numbered(1, 900), () => {});
    submit(2, numbered(2), () => {});
    const changed = loop.changeEpoch(1, 0, "fork", undefined);
    const stopped = loop.stop();
    const ends = Promise.allSettled([changed, stopped, loop.stop()]);
    await pass(20);
    const rejected = { status: "rejected", reason: { code: "STORE_WRITE_FAILED" } };
    expect(await ends).toMatchObject([rejected, rejected, rejected]);
  });

  test("stopping: new frames are refused with 5.03's reason, open batches are written", async () => {
    const { loop, submit, pass, frames } = await world();
    submit(2, numbered(1));
    const stopped = loop.stop();
    expect(submit(2, numbered(2))).toEqual({ reason: "stopping", retryAfterS: 5 });
    await pass(5);
    await stopped;
    expect(await frames(2)).toHaveLength(1);
  });

  test("a new loop goes on at the head of the stored chain", async () => {
    const { clock, store, submit, loopOver, pass } = await world();
    submit(1, numbered(1), () => {});
    await pass(5);
    const frame = { lane: 1 as Lane, encodedSource: source, format: 112, frame: numbered(2) };
    loopOver(4).submit({ ...frame, receivedUs: clock.monotonicUs() }, () => {});
    await pass(5);
    expect((await store.batches(chainOf(1))).map(({ seq }) => seq)).toEqual([0, 1]);
  });

  test("a new epoch names the end of the last one and starts with the reason", async () => {
    const { clock, store, submit, loopOver, pass } = await world();
    submit(1, numbered(1), () => {});
    await pass(5);
    const head = store.chains.chain(chainOf(1))!.head!;
    const loop = loopOver(4, {
      telemetry: { reason: "rolled-back", previousEpoch: 0, lastSeq: head.seq, previous: head.hash },
    });
    await settled(clock, loop.start());
    const [first] = await store.batches(chainOf(1, 1));
    const { position } = expectAccepted(decodeHeader(first!.header));
    expect(position).toMatchObject({ epoch: 1, seq: 0, previous: Buffer.from(head.hash), count: 1 });
    expect(ownOf(recordsOf(first!.payload))).toEqual([
      { kind: "epoch-change", reason: "rolled-back", previousEpoch: 0, lastSeq: 0 },
    ]);
    expect(loop.lanes().map(({ epoch }) => epoch)).toEqual([0, 1, 0]);
  });
});
