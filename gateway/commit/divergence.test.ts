import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { decodeHeader, headerHash } from "@paddock/wire/batch-header.ts";
import { checkBatch } from "@paddock/wire/batch.ts";
import { decodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { decodeRecords, encodeSource } from "@paddock/wire/record.ts";
import { commitStoreOf } from "./chain-commit-store.ts";
import { CommitLoop } from "./commit-loop.ts";
import { agreedEnd, Divergence } from "./divergence.ts";

const identity = generateIdentity();
const SETTINGS = { lingerMs: 0, pressure: "evict-oldest", quotaShare: 0.3 } as const;
const RECEIPT = Buffer.from("a receipt");
const chainOf = (epoch: number) => ({ gateway: identity.id, lane: 1, epoch }) as const;

let clock: VirtualClock;
let directory: string;
const stores: ChainStore[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-divergence-"));
  clock = new VirtualClock({ wallMs: 1_780_000_000_000, monotonicUs: 1_000_000 });
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await rm(directory, { recursive: true, force: true });
});

async function openStore(arrivalLog: boolean): Promise<ChainStore> {
  const store = await ChainStore.open({
    directory: join(directory, `store-${stores.length}`),
    maxBytes: 1 << 30,
    minFreeBytes: 0,
    ballastBytes: 0,
    arrivalLog,
    clock,
  });
  stores.push(store);
  return store;
}

function fatal(error: unknown): void {
  expect(error).toBeUndefined();
}

function gatewayOver(store: ChainStore) {
  const loop = new CommitLoop({
    identity,
    store: commitStoreOf(store),
    lanes: { alarm: SETTINGS, telemetry: SETTINGS, bulk: SETTINGS },
    losses: new Map(),
    evictionBytesMin: 1,
    boot: 1,
    clock,
    clockQuality: { quality: () => 1 },
    log: silentLog,
    defer: setImmediate,
    fatal,
  });
  const divergence = new Divergence({ store, commitLoop: loop, gateway: identity.id, clock, fatal });
  const seal = (byte: number) =>
    new Promise<void>((resolve, reject) => {
      const frame = { lane: 1, encodedSource: encodeSource("a"), format: 112, frame: Buffer.from([byte]) } as const;
      loop.submit({ ...frame, receivedUs: clock.monotonicUs() }, (failure) => (failure ? reject(failure) : resolve()));
    });
  return { loop, divergence, seal };
}

/** Hands batches of one store to the other, as an upload does. */
async function upload(from: ChainStore, to: ChainStore, epoch: number, first: number, last: number) {
  const batches = await from.read(chainOf(epoch), first, { last, maxBytes: 1 << 20 });
  const checked = batches.map((batch) => expectAccepted(checkBatch(batch)));
  return to.append({ chain: chainOf(epoch), batches: checked });
}

test("after an older data directory came back, new frames reach the collector in a new epoch", async () => {
  const ledger = await openStore(true);
  const lost = await openStore(false);
  const before = gatewayOver(lost);
  for (const byte of [1, 2, 3, 4]) await before.seal(byte);
  expect(await upload(lost, ledger, 0, 0, 3)).toMatchObject({ ok: true });
  const restored = await openStore(false);
  await restored.append({ chain: chainOf(0), batches: await lost.read(chainOf(0), 0, { last: 1, maxBytes: 1 << 20 }) });
  await restored.acknowledge(chainOf(0), [[0, 1]], RECEIPT);

  const { loop, divergence, seal } = gatewayOver(restored);
  await seal(5);
  expect(await upload(restored, ledger, 0, 2, 2)).toMatchObject({ ok: false, reason: "fork" });
  expect(await divergence.found(1, 0, "fork")).toBe(true);
  await seal(6);

  expect(loop.lanes().map(({ epoch }) => epoch)).toEqual([0, 1, 0]);
  expect(await upload(restored, ledger, 1, 0, 1)).toMatchObject({ ok: true });
  const [first] = await ledger.read(chainOf(1), 0, { last: 0, maxBytes: 1 << 20 });
  const [record] = expectAccepted(decodeRecords(first!.payload!));
  expect(expectAccepted(decodeGatewayRecord(record!.frame))).toEqual({
    kind: "epoch-change",
    reason: "fork",
    previousEpoch: 0,
    lastSeq: 1,
  });
  // The batch that forked is still here, for whoever wants to look.
  expect(restored.chain(chainOf(0))).toMatchObject({ held: [[0, 2]], acknowledged: [[0, 1]] });
});

test("what was agreed on and trimmed is known by the header behind it", async () => {
  const store = await openStore(false);
  const { seal } = gatewayOver(store);
  expect(await agreedEnd(store, chainOf(0))).toBeUndefined();
  for (const byte of [1, 2, 3, 4]) await seal(byte);
  expect(await agreedEnd(store, chainOf(0))).toBeUndefined();
  const [, second] = await store.readHeaders(chainOf(0), 0, 1);
  const end = { seq: 1, hash: headerHash(second!.header) };
  await store.acknowledge(chainOf(0), [[0, 1]], RECEIPT);
  expect(await agreedEnd(store, chainOf(0))).toEqual(end);
  await store.trim();
  expect(store.chain(chainOf(0))).toMatchObject({ held: [[2, 3]] });
  const known = await agreedEnd(store, chainOf(0));
  expect({ ...known, hash: Buffer.from(known!.hash) }).toEqual(end);
});

test("with nothing agreed on, the new epoch names no end", async () => {
  const store = await openStore(false);
  const { divergence, seal } = gatewayOver(store);
  await seal(1);
  expect(await divergence.found(1, 0, "collector-ahead")).toBe(true);
  const [first] = await store.readHeaders(chainOf(1), 0, 0);
  expect(expectAccepted(decodeHeader(first!.header)).position.previous).toEqual(Buffer.alloc(32));
});

test("a collector that refuses everything costs one epoch a minute; an old epoch costs none", async () => {
  const store = await openStore(false);
  const { loop, divergence, seal } = gatewayOver(store);
  await seal(1);
  expect(await divergence.found(1, 0, "fork")).toBe(true);
  expect(await divergence.found(1, 1, "fork")).toBe(false);
  clock.advance(60_000);
  expect(await divergence.found(1, 0, "fork")).toBe(false);
  expect(await divergence.found(1, 1, "fork")).toBe(true);
  expect(loop.lanes()[1]).toMatchObject({ epoch: 2, head: 0 });
});

test("frames that wait while the epoch changes go into the new one, once each", async () => {
  const store = await openStore(false);
  const { divergence, seal } = gatewayOver(store);
  await seal(0);
  const waiting = [1, 2, 3].map((byte) => seal(byte));
  const begun = divergence.found(1, 0, "fork");
  await Promise.all([...waiting, seal(4), begun]);
  const frames: number[] = [];
  for (const epoch of [0, 1]) {
    for (const { payload } of await store.read(chainOf(epoch), 0, { last: 99, maxBytes: 1 << 20 })) {
      for (const { format, frame } of expectAccepted(decodeRecords(payload!)))
        if (format === 112) frames.push(frame[0]!);
    }
  }
  expect(frames).toEqual([0, 1, 2, 3, 4]);
});

test("a store that cannot be read ends the process, and no epoch began", async () => {
  const broken = new Error("unreadable");
  const told: unknown[] = [];
  const store = {
    chain: () => {
      throw broken;
    },
  } as unknown as ChainStore;
  const { loop: commitLoop } = gatewayOver(await openStore(false));
  const options = { store, commitLoop, gateway: identity.id, clock, fatal: (error: unknown) => told.push(error) };
  expect(await new Divergence(options).found(1, 0, "fork")).toBe(false);
  expect(told).toEqual([broken]);
});
