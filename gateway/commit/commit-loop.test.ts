import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { VirtualClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { decodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Lane, LaneName } from "@paddock/wire/lanes.ts";
import { decodeRecords, encodeSource, FORMAT_GATEWAY, type BatchRecord } from "@paddock/wire/record.ts";
import { encodeExchanges, EXCHANGES_MAX } from "../ingest/exchange-memory.ts";
import type { Pressure } from "../ingest/frame-sink.ts";
import { MemoryCommitStore } from "../testing/memory-commit-store.ts";
import { CommitLoop } from "./commit-loop.ts";
import { CLOSED_BATCHES_MAX } from "./lane-writer.ts";
import type { LaneSettings } from "./ports.ts";

const identity = generateIdentity();
const source = encodeSource("sensor-1");
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

function world(options: WorldOptions = {}) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5, 1), monotonicUs: 5_000_000 });
  const store = new MemoryCommitStore({
    maxBytes: options.maxBytes ?? 1 << 30,
    delay: (done) => void clock.after(options.writeMs ?? 1, done),
  });
  const fatal: unknown[] = [];
  let quality: 0 | 1 | 2 = 1;
  const loop = new CommitLoop({
    identity,
    store,
    lanes: options.lanes ?? SETTINGS,
    evictionBytesMin: options.evictionBytesMin ?? 1000,
    boot: 3,
    clock,
    clockQuality: { quality: () => quality },
    log: silentLog,
    defer: (callback) => void clock.after(0, callback),
    fatal: (error) => fatal.push(error),
  });
  const submit = (lane: Lane, frame: Uint8Array, committed?: (failure: Pressure | undefined) => void, side?: string) =>
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
  /** Lets `ms` of virtual time pass in small steps, so that promises between timers get their turn. */
  const pass = async (ms: number, stepMs = 0.5) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    }
  };
  const records = (lane: Lane): BatchRecord[] =>
    (store.chains.get(`${lane}/0`)?.batches ?? []).flatMap((batch) =>
      batch.payload === null ? [] : expectAccepted(decodeRecords(batch.payload)),
    );
  const frames = (lane: Lane) => records(lane).filter((record) => record.format !== FORMAT_GATEWAY);
  const own = (lane: Lane) =>
    records(lane)
      .filter((record) => record.format === FORMAT_GATEWAY)
      .map((record) => expectAccepted(decodeGatewayRecord(record.frame)));
  return { clock, store, loop, fatal, submit, pass, records, frames, own, setQuality: (q: 0 | 1 | 2) => (quality = q) };
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
        fc.array(step, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0.5, 4, 15),
        async (steps, writeMs) => {
          const { loop, submit, pass, frames } = world({ writeMs });
          const accepted: number[][] = [[], [], []];
          const reports = new Map<number, number>();
          let awaited = 0;
          for (const [index, { lane, bytes, waits, pauseMs }] of steps.entries()) {
            const onCommit = (failure: Pressure | undefined) => {
              expect(failure).toBeUndefined();
              expect(frames(lane).some((record) => Buffer.from(record.frame).readUInt32BE() === index)).toBe(true);
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
            expect(frames(lane).map((record) => Buffer.from(record.frame).readUInt32BE())).toEqual(accepted[lane]);
          }
          expect(reports.size).toBe(awaited);
          expect([...reports.values()].every((count) => count === 1)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("while a write is under way the next batch fills: one write for all that came meanwhile", async () => {
    const { store, submit, pass } = world({ writeMs: 10 });
    const reported: number[] = [];
    for (let index = 0; index < 50; index++) {
      submit(1, numbered(index), () => reported.push(index));
      await pass(0.5);
    }
    await pass(40);
    expect(reported).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(store.writes.length).toBeLessThanOrEqual(5);
  });

  test("the datagrams of one poll share a write, although somebody waits for the first", async () => {
    const { store, submit, pass } = world();
    for (let index = 0; index < 20; index++) submit(0, numbered(index), () => {});
    await pass(5);
    expect(store.writes).toHaveLength(1);
  });

  test("a frame that nobody waits for lingers for the lane's time, not longer", async () => {
    const { store, submit, pass } = world({ writeMs: 0.5 });
    submit(2, numbered(1));
    await pass(19);
    expect(store.writes).toHaveLength(0);
    await pass(3);
    expect(store.writes).toHaveLength(1);
  });

  test("somebody who waits takes lingering frames along at once", async () => {
    const { submit, pass, frames } = world({ writeMs: 0.5 });
    submit(2, numbered(1));
    submit(2, numbered(2), () => {});
    await pass(2);
    expect(frames(2)).toHaveLength(2);
  });

  test("the last value of a side key is written with its frame", async () => {
    const { store, submit, pass } = world();
    submit(1, numbered(1), undefined, "window/a");
    submit(1, numbered(2), () => {}, "window/a");
    await pass(5);
    expect(store.writes[0]!.side).toEqual([{ key: "window/a", value: numbered(2) }]);
  });

  test("the messages of a batch that may come again are written with it, as many as are remembered", async () => {
    const { loop, clock, store, pass } = world();
    const send = (index: number) => {
      const frame = { lane: 2 as Lane, encodedSource: source, format: 112, frame: numbered(index, 4) };
      loop.submit({ ...frame, receivedUs: clock.monotonicUs(), exchange: { low: index, high: -index } }, () => {});
    };
    send(7);
    await pass(5);
    expect(store.writes[0]!.side).toEqual([{ key: "exchange:bulk", value: encodeExchanges(3, 5, [7, -7]) }]);
    for (let index = 0; index < EXCHANGES_MAX + 5; index++) send(index);
    await pass(5);
    expect(store.writes[1]!.side![0]!.value).toHaveLength(12 + 8 * EXCHANGES_MAX);
  });

  test("a disk that stalls ends in queue-full, bounded, and nothing accepted is lost", async () => {
    const { loop, submit, pass, frames } = world({ writeMs: 1000 });
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
    expect(frames(1)).toHaveLength(accepted);
  });

  test("refuse-new: a full store refuses, tells the waiting, and takes frames again once there is room", async () => {
    const { loop, store, submit, pass, frames } = world({
      maxBytes: 6000,
      lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } },
    });
    const outcomes: (Pressure | undefined)[] = [];
    for (let index = 0; index < 12; index++) {
      const refused = submit(0, numbered(index, 1000), (failure) => outcomes.push(failure));
      if (refused !== undefined) outcomes.push(refused);
      await pass(5);
    }
    const durable = outcomes.filter((outcome) => outcome === undefined).length;
    expect(durable).toBe(frames(0).length);
    expect(durable).toBeGreaterThan(2);
    expect(outcomes.at(-1)).toEqual({ reason: "store-full", retryAfterS: 10 });
    expect(loop.lanes()[0]!.full).toBe(true);
    store.acknowledgedBelow = 2;
    loop.roomFreed();
    expect(submit(0, numbered(99, 1000), (failure) => outcomes.push(failure))).toBeUndefined();
    await pass(5);
    expect(outcomes.at(-1)).toBeUndefined();
  });

  test("a refused frame takes those behind it along whose states count it as stored", async () => {
    const { store, submit, pass, frames } = world({
      maxBytes: 3000,
      lanes: { ...SETTINGS, alarm: { ...SETTINGS.alarm, quotaShare: 1 } },
      writeMs: 10,
    });
    const outcomes: string[] = [];
    const note = (name: string) => (failure: Pressure | undefined) =>
      outcomes.push(`${name} ${failure?.reason ?? "stored"}`);
    expect(submit(0, numbered(1, 5000), note("large"), "window/a")).toBeUndefined();
    await pass(2);
    // Would fit, but its state holds the number of the large one, too.
    expect(submit(0, numbered(2, 20), note("small"), "window/a")).toBeUndefined();
    await pass(100);
    expect(outcomes).toEqual(["large store-full", "small store-full"]);
    expect(frames(0)).toEqual([]);
    expect(store.side.size).toBe(0);
  });

  test("evict-oldest: payloads go in the same write as the loss record that names them exactly", async () => {
    const { store, submit, pass, own } = world({ maxBytes: 12_000, evictionBytesMin: 2500 });
    for (let index = 0; index < 40; index++) {
      expect(submit(1, numbered(index, 900), (failure) => expect(failure).toBeUndefined())).toBeUndefined();
      await pass(5);
    }
    const chain = store.chains.get("1/0")!;
    const evicted = chain.batches.flatMap((batch, seq) => (batch.payload === null ? [seq] : []));
    expect(evicted.length).toBeGreaterThan(5);
    for (const write of store.writes) {
      const named = write.batches.flatMap((batch) =>
        expectAccepted(decodeRecords(batch.payload!))
          .filter((record) => record.format === FORMAT_GATEWAY)
          .map((record) => expectAccepted(decodeGatewayRecord(record.frame))),
      );
      expect(named).toHaveLength((write.evict ?? []).length);
      for (const [index, record] of named.entries()) {
        expect(record).toMatchObject({ kind: "loss", reason: "evicted", epoch: 0, ranges: write.evict![index]!.seqs });
      }
    }
    expect(own(1).length).toBeGreaterThan(0);
  });

  test("an alarm takes room from the lane that is above its share, and that lane's chain says so", async () => {
    const { store, submit, pass, frames, own } = world({ maxBytes: 20_000, evictionBytesMin: 4000 });
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
    expect(frames(0)).toHaveLength(4);
    expect(own(2)[0]).toMatchObject({ kind: "loss", reason: "evicted" });
    expect(
      store.writes.every((write) => write.evict!.every((eviction) => eviction.chain.lane === write.chain.lane)),
    ).toBe(true);
  });

  test("all lanes above water at once come to an end, whatever their order", async () => {
    const lane = fc.constantFrom<Lane>(0, 1, 2);
    await fc.assert(
      fc.asyncProperty(fc.array(lane, { minLength: 40, maxLength: 120 }), async (order) => {
        const { loop, submit, pass } = world({ maxBytes: 15_000, evictionBytesMin: 1500, writeMs: 0.5 });
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
      { numRuns: 30 },
    );
  });

  test("what is acknowledged is trimmed before anything is evicted or refused", async () => {
    const { store, submit, pass } = world({ maxBytes: 8000 });
    for (let index = 0; index < 20; index++) {
      store.acknowledgedBelow = index - 1;
      submit(1, numbered(index, 1000), (failure) => expect(failure).toBeUndefined());
      await pass(5);
    }
    expect(store.writes).toHaveLength(20);
    expect(store.writes.every((write) => write.evict!.length === 0)).toBe(true);
  });

  test("a wall clock that steps is said in the next batch of each lane, with both times of the same instant", async () => {
    const { clock, submit, pass, own, setQuality, store } = world();
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
      const [step, ...more] = own(lane);
      expect(more).toEqual([]);
      if (step?.kind !== "clock-step") throw new Error("no clock-step record");
      expect(step.after - step.before).toBe(86_400_000);
    }
    const position = store.chains.get("1/0")!.batches.at(-1)!.decoded.position;
    expect(position).toMatchObject({ boot: 3, clock: 2, monotonic: 5_010_000 });
    expect(position.wall).toBe(clock.wallMs() - 5);
  });

  test("a failed write is fatal: nobody is told anything, and no further write follows", async () => {
    const { store, fatal, submit, pass } = world();
    store.failWith = new PaddockError("STORE_WRITE_FAILED", "the disk is gone.");
    let told = 0;
    submit(1, numbered(1), () => told++);
    await pass(5);
    submit(1, numbered(2), () => told++);
    await pass(20);
    expect(fatal).toEqual([store.failWith]);
    expect(told).toBe(0);
    expect(store.writes).toHaveLength(0);
  });

  test("a failed write ends every wait, of this lane and of one that waits for its room", async () => {
    const { store, loop, submit, pass } = world({ maxBytes: 20_000 });
    for (let index = 0; index < 17; index++) {
      submit(2, numbered(index, 800), () => {});
      await pass(5);
    }
    store.failWith = new PaddockError("STORE_WRITE_FAILED", "the disk is gone.");
    submit(0, numbered(1, 900), () => {});
    submit(2, numbered(2), () => {});
    const changed = loop.changeEpoch(1, 0, "fork", undefined);
    const stopped = loop.stop();
    const ends = Promise.allSettled([changed, stopped, loop.stop()]);
    await pass(20);
    expect(await ends).toEqual(Array.from({ length: 3 }, () => ({ status: "rejected", reason: store.failWith })));
  });

  test("stopping: new frames are refused with 5.03's reason, open batches are written", async () => {
    const { loop, submit, pass, frames } = world();
    submit(2, numbered(1));
    const stopped = loop.stop();
    expect(submit(2, numbered(2))).toEqual({ reason: "stopping", retryAfterS: 5 });
    await pass(5);
    await stopped;
    expect(frames(2)).toHaveLength(1);
  });

  test("a new loop goes on at the head of the stored chain", async () => {
    const first = world();
    first.submit(1, numbered(1), () => {});
    await first.pass(5);
    const clock = first.clock;
    const loop = new CommitLoop({
      identity,
      store: first.store,
      lanes: SETTINGS,
      evictionBytesMin: 1000,
      boot: 4,
      clock,
      clockQuality: { quality: () => 1 },
      log: silentLog,
      defer: (callback) => void clock.after(0, callback),
      fatal: (error) => expect(error).toBeUndefined(),
    });
    loop.submit(
      { lane: 1, encodedSource: source, format: 112, frame: numbered(2), receivedUs: clock.monotonicUs() },
      () => {},
    );
    await first.pass(5);
    expect(first.store.chains.get("1/0")!.batches.map((batch) => batch.decoded.position.seq)).toEqual([0, 1]);
  });

  test("a new epoch names the end of the last one and starts with the reason", async () => {
    const { clock, store, submit, pass } = world();
    submit(1, numbered(1), () => {});
    await pass(5);
    const head = store.chain({ gateway: identity.id, lane: 1, epoch: 0 })!.head!;
    const loop = new CommitLoop({
      identity,
      store,
      lanes: SETTINGS,
      epochStarts: { telemetry: { reason: "rolled-back", previousEpoch: 0, lastSeq: head.seq, previous: head.hash } },
      evictionBytesMin: 1000,
      boot: 4,
      clock,
      clockQuality: { quality: () => 1 },
      log: silentLog,
      defer: (callback) => void clock.after(0, callback),
      fatal: (error) => expect(error).toBeUndefined(),
    });
    const started = loop.start();
    await pass(5);
    await started;
    const [first] = store.chains.get("1/1")!.batches;
    expect(first!.decoded.position).toMatchObject({ epoch: 1, seq: 0, previous: head.hash, count: 1 });
    const [record] = expectAccepted(decodeRecords(first!.payload!));
    expect(expectAccepted(decodeGatewayRecord(record!.frame))).toEqual({
      kind: "epoch-change",
      reason: "rolled-back",
      previousEpoch: 0,
      lastSeq: 0,
    });
    expect(loop.lanes().map(({ epoch }) => epoch)).toEqual([0, 1, 0]);
  });
});
