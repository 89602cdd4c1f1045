import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { decodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { decodeRecords, encodeSource, FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import type { Pressure } from "./frame-sink.ts";
import { commitStoreOf } from "./chain-commit-store.ts";
import { CommitLoop } from "./commit-loop.ts";

const identity = generateIdentity();
const MAX_BYTES = 2 * 1024 * 1024;

let directory: string;
let store: ChainStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-evict-"));
  const limits = { maxBytes: MAX_BYTES, minFreeBytes: 0, ballastBytes: 0 };
  store = await ChainStore.open({ directory, ...limits, arrivalLog: false, clock: systemClock });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

test("on the real store: bulk and telemetry give way within the quota, alarms still fit, and every chain verifies", async () => {
  const loop = new CommitLoop({
    identity,
    store: commitStoreOf(store),
    lanes: {
      alarm: { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.2 },
      telemetry: { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.5 },
      bulk: { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 },
    },
    losses: new Map(),
    evictionBytesMin: MAX_BYTES / 16,
    boot: 1,
    clock: systemClock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => {
      throw error;
    },
  });
  const post = (lane: Lane, bytes: number) =>
    new Promise<Pressure | undefined>((resolve) => {
      const frame = { lane, encodedSource: encodeSource("s"), format: 112, frame: Buffer.alloc(bytes, lane) };
      const refused = loop.submit({ ...frame, receivedUs: systemClock.monotonicUs() }, resolve);
      if (refused !== undefined) resolve(refused);
    });
  for (let index = 0; index < 60; index++) expect(await post(2, 50_000)).toBeUndefined();
  for (let index = 0; index < 40; index++) expect(await post(1, 50_000)).toBeUndefined();
  for (let index = 0; index < 6; index++) expect(await post(0, 40_000)).toBeUndefined();
  await loop.stop();

  expect(store.usage().bytes).toBeLessThanOrEqual(MAX_BYTES);
  for (const { lane, epoch, evictedRecords, head } of loop.lanes()) {
    const id = { gateway: identity.id, lane, epoch };
    expect(await store.verify(id, { publicKey: identity.publicKey })).toMatchObject({ broken: 0 });
    expect(evictedRecords > 0).toBe(lane !== 0);
    // A loss record may itself be evicted later; then a later one counts it.
    let named = 0;
    for (let seq = 0; seq <= head!; seq++) {
      const { payload } = (await store.readOne(id, seq))!;
      const records = payload === null ? [] : expectAccepted(decodeRecords(payload));
      for (const { frame } of records.filter(({ format }) => format === FORMAT_GATEWAY)) {
        const record = expectAccepted(decodeGatewayRecord(frame));
        if (record.kind === "loss") named += countOf(record.ranges);
      }
    }
    expect(named).toBeLessThanOrEqual(countOf(store.chain(id)!.evicted));
    expect(named > 0).toBe(lane !== 0);
  }
});
