import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import type { Duty } from "@paddock/store/types.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { settled, testDisk, TestStore } from "../testing/commit-world.ts";
import { CommitLoop } from "./commit-loop.ts";
import { epochStartsDue, logRecovery, newestBoot } from "./continuity.ts";

const identity = generateIdentity();
const SETTINGS = { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.3 } as const;

test("the newest boot is the highest of all chains, whichever of them was written last", async () => {
  const clock = new VirtualClock();
  const store = await TestStore.open(testDisk(clock), clock);
  expect(await newestBoot(store.chains)).toBe(0);
  const seal = async (lane: Lane, boot: number): Promise<void> => {
    const loop = new CommitLoop({
      identity,
      store: store.commit,
      lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
      losses: new Map(),
      evictionBytesMin: 1,
      boot,
      clock,
      clockQuality: { quality: () => 1 },
      log: silentLog,
      defer: setImmediate,
      fatal: (error) => expect(error).toBeUndefined(),
    });
    const frame = { lane, encodedSource: encodeSource("s"), format: 112, frame: Buffer.of(1) } as const;
    loop.submit({ ...frame, receivedUs: clock.monotonicUs() });
    await settled(clock, loop.stop());
  };
  await seal(1, 7);
  expect(await newestBoot(store.chains)).toBe(7);
  await seal(2, 3);
  expect(await newestBoot(store.chains)).toBe(7);
  await seal(2, 8);
  expect(await newestBoot(store.chains)).toBe(8);
});

test("a lane begins a new epoch for what its newest chain lost; what a later epoch followed already is done", () => {
  const gateway = identity.id;
  const last = { seq: 4, hash: Buffer.alloc(32, 9) };
  const epoch = (lane: Lane, number: number, end: typeof last | null): Duty =>
    ({ kind: "epoch", chain: { gateway, lane, epoch: number }, seqs: [[5, 6]], last: end }) as unknown as Duty;
  const loss = { ...epoch(2, 0, null), kind: "loss" } as unknown as Duty;
  const duties = [epoch(0, 3, last), epoch(1, 2, null), loss];
  const latest = [3, 3, 0];
  const starts = epochStartsDue({ duties: () => duties, latestEpoch: (_gateway, lane) => latest[lane] });
  expect(starts).toEqual({
    alarm: { reason: "rolled-back", previousEpoch: 3, lastSeq: 4, previous: last.hash },
  });
  latest[1] = 2;
  expect(epochStartsDue({ duties: () => duties, latestEpoch: (_gateway, lane) => latest[lane] }).telemetry).toEqual({
    reason: "rolled-back",
    previousEpoch: 2,
    lastSeq: null,
    previous: Buffer.alloc(32),
  });
});

test("each repair of the opening is told, with lane, epoch and seqs", () => {
  const told: unknown[] = [];
  const log: Log = { ...silentLog, error: (event, fields) => told.push([event, fields]) };
  const chain = { gateway: identity.id, lane: 1, epoch: 2 } as const;
  logRecovery({ recovery: [{ chain, action: "rolled-back", seqs: [[3, 4]] }] }, log);
  expect(told).toEqual([["chain-recovered", { lane: "telemetry", epoch: 2, action: "rolled-back", seqs: [[3, 4]] }]]);
});
