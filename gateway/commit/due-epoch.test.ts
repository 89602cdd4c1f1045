import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { encodeSource } from "@paddock/wire/record.ts";
import { letPass, ownOf, recordsOf, settled, testDisk, TestStore, type TestDisk } from "../testing/commit-world.ts";
import { CommitLoop } from "./commit-loop.ts";

const identity = generateIdentity();
const CHAIN: ChainId = { gateway: identity.id, lane: 2, epoch: 0 };
const SETTINGS = { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.3 } as const;

async function world(disk: TestDisk, clock: VirtualClock, maxBytes: number) {
  const store = await TestStore.open(disk, clock, { maxBytes });
  const loop = new CommitLoop({
    identity,
    store: store.commit,
    lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
    losses: new Map(),
    evictionBytesMin: 2000,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal: (error) => expect(error).toBeUndefined(),
  });
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

test("while an epoch waits for room, a damaged payload is told in the new epoch and never behind the old one's end", async () => {
  const clock = new VirtualClock();
  const { store, loop, post } = await world(testDisk(clock), clock, 60_000);
  for (const bytes of [1000, 1]) {
    while ((await post(bytes)) === "stored");
    clock.advance(11_000);
  }
  const head = store.chains.chain(CHAIN)!.head!;
  expect(await settled(clock, loop.changeEpoch(2, 0, "fork", head))).toBe(false);
  const lost = { chain: CHAIN, seqs: [[0, 0]], records: 1, bytes: 1000 } as const;
  expect(await settled(clock, loop.quarantine(lost))).toBe(true);
  expect(store.chains.chain(CHAIN)!.head).toEqual(head);
  expect(ownOf(await store.records({ ...CHAIN, epoch: 1 }))).toEqual([
    expect.objectContaining({ kind: "epoch-change", reason: "fork", lastSeq: head.seq }),
    expect.objectContaining({ kind: "loss", reason: "quarantined", epoch: 0, ranges: [[0, 0]] }),
  ]);
});

test("a loss that no frame travels with is dated when it is said", async () => {
  const clock = new VirtualClock();
  const { store, loop, post } = await world(testDisk(clock), clock, 60_000);
  for (let index = 0; index < 2; index++) expect(await post(1)).toBe("stored");
  clock.advance(3_600_000);
  const askedUs = clock.monotonicUs();
  const lost = { chain: CHAIN, seqs: [[0, 0]], records: 1, bytes: 1 } as const;
  expect(await settled(clock, loop.quarantine(lost))).toBe(true);
  const said = (await store.batches(CHAIN)).at(-1)!;
  expect(ownOf(recordsOf(said.payload))).toEqual([expect.objectContaining({ kind: "loss", reason: "quarantined" })]);
  expect(expectAccepted(decodeHeader(said.header)).position.monotonic).toBeGreaterThanOrEqual(askedUs);
});

test("a loss that finds no room is not tried in a circle: once when it is asked for, and once when something freed room", async () => {
  const clock = new VirtualClock();
  const disk = testDisk(clock);
  const before = await world(disk, clock, 60_000);
  for (let index = 0; index < 3; index++) expect(await before.post(1)).toBe("stored");
  await settled(clock, before.loop.stop());

  const { store, loop } = await world(disk, clock, 1);
  let tries = 0;
  const append = store.commit.append.bind(store.commit);
  store.commit.append = (write) => {
    if (++tries > 100) throw new Error("tried in a circle");
    return append(write);
  };
  const lost = { chain: CHAIN, seqs: [[1, 1]], records: 1, bytes: 1 } as const;
  expect(await settled(clock, loop.quarantine(lost))).toBe(false);
  await letPass(clock, 50);
  expect(tries).toBe(1);
  loop.roomFreed();
  await letPass(clock, 50);
  expect(tries).toBe(2);
  expect(await settled(clock, loop.quarantine(lost))).toBe(false);
  expect(tries).toBe(3);
});

test("a damaged payload that a receipt names before its loss is said is not lost: no loss is said, and frames go on", async () => {
  const clock = new VirtualClock();
  const disk = testDisk(clock);
  const { store, loop, post } = await world(disk, clock, 60_000);
  for (let index = 0; index < 3; index++) expect(await post(1)).toBe("stored");
  disk.writeMs = 5;
  const under = post(1);
  const lost = { chain: CHAIN, seqs: [[1, 1]], records: 1, bytes: 1 } as const;
  const said = loop.quarantine(lost);
  const named = store.chains.acknowledge(CHAIN, [[1, 1]], Buffer.from("receipt"));
  expect(await under).toBe("stored");
  expect(await settled(clock, said)).toBe(true);
  await settled(clock, named);
  for (let index = 0; index < 3; index++) expect(await post(1)).toBe("stored");
  expect(await settled(clock, loop.quarantine(lost))).toBe(true);
  expect(ownOf(await store.records(CHAIN))).toEqual([]);
  expect(store.chains.chain(CHAIN)).toMatchObject({ evicted: [], head: { seq: 6 } });
});
