import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { chainBytes, KEY_SPACES, seqKey, spaceKey } from "@paddock/store/keyspace.ts";
import { levelDatabase, type KeyValueDatabase } from "@paddock/store/database.ts";
import { faultyDatabase } from "@paddock/store/testing/faulty-database.ts";
import { generateIdentity, identityToPem } from "@paddock/wire/identity.ts";
import { defaultKeyFile, readIdentity } from "@paddock/wire/identity-file.ts";
import { CODE_CHANGED, CODE_SERVICE_UNAVAILABLE } from "@paddock/wire/coap-codes.ts";
import { chainCommand } from "./cli/chain-command.ts";
import { openGateway } from "./compose.ts";
import { parseGatewayConfig, type GatewayConfig } from "./config.ts";

import { verifyChains } from "./status/chain-report.ts";
import { ownOf, recordsOf } from "./testing/commit-world.ts";
import { CoapSender, senmlFrame } from "./testing/coap-sender.ts";

/** Starts over a store that an earlier run left, with a disk that fails at each moment of the start in turn. */

let directory: string;
let config: GatewayConfig;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-start-"));
  config = parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    // Nothing here is about groups; without them no start has an `ip` watch this machine's addresses.
    discovery: { enabled: false, multicast: false },
  });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const disk = (): KeyValueDatabase => levelDatabase(join(directory, "store", "generation-000001"));

/** Runs the gateway, has `frames` telemetry frames stored, and stops it. Returns the gateway's id. */
async function storeFrames(frames: number): Promise<Buffer> {
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  for (let index = 0; index < frames; index++) {
    expect(await sender.post(["i"], senmlFrame("thermo", index))).toBe(CODE_CHANGED);
  }
  sender.close();
  await gateway.stop();
  return Buffer.from(gateway.id, "hex");
}

/** The disk forgets a header that it had confirmed. */
async function loseHeader(gateway: Buffer, seq: number): Promise<void> {
  const database = disk();
  await database.open();
  const key = seqKey(KEY_SPACES.header, chainBytes({ gateway, lane: 1, epoch: 0 }), seq);
  expect(await database.get(key)).toBeDefined();
  await database.batch([{ type: "del", key }], { sync: true });
  await database.close();
}

/** A start that comes as far as the disk lets it. */
async function tryToStart(database: KeyValueDatabase): Promise<void> {
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog, database }).catch(() => undefined);
  await gateway?.stop().catch(() => {});
  await database.close();
}

/** What the store says of the telemetry lane after a start on a good disk, and a frame. */
async function startWell(): Promise<{ code: number | undefined; epoch: number; broken: number; first: unknown }> {
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  const code = await sender.post(["i"], senmlFrame("thermo", 9));
  sender.close();
  await gateway.stop();
  const identity = await readIdentity(defaultKeyFile(directory));
  const store = await openStore();
  const chain = { gateway: Buffer.from(gateway.id, "hex"), lane: 1 as const };
  const epoch = store.latestEpoch(chain.gateway, 1)!;
  const reports = await verifyChains(store, identity!.publicKey, {});
  const first = await store.readOne({ ...chain, epoch }, 0);
  expect(store.duties()).toEqual([]);
  await store.close();
  const broken = reports.reduce((sum, report) => sum + report.broken, 0);
  return { code, epoch, broken, first: ownOf(recordsOf(first!.payload))[0] };
}

const openStore = (): Promise<ChainStore> =>
  ChainStore.open({ directory: join(directory, "store"), ...config.store, arrivalLog: false, clock: systemClock });

const WELL = {
  code: CODE_CHANGED,
  epoch: 1,
  broken: 0,
  first: { kind: "epoch-change", reason: "rolled-back", previousEpoch: 0, lastSeq: 1 },
};

/** Every file of the store and what is in it. */
async function contents(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[path] = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }
  return files;
}

describe("a new epoch after a roll-back", () => {
  const writes = [0, 1, 2, 3].flatMap((after) => [true, false].map((applied) => ({ after, applied })));

  test.each(writes)("begins, whatever write the start before was cut at: $after, on disk: $applied", async (fault) => {
    await loseHeader(await storeFrames(3), 2);
    await tryToStart(faultyDatabase(disk(), fault));
    expect(await startWell()).toEqual(WELL);
  });

  test("begins once, after any number of starts that were cut", async () => {
    await loseHeader(await storeFrames(3), 2);
    for (const { after } of writes) await tryToStart(faultyDatabase(disk(), { after: after % 2, applied: false }));
    expect(await startWell()).toEqual(WELL);
    expect(await startWell()).toMatchObject({ ...WELL, first: WELL.first });
  });

  test("also when nothing of the chain is left but what was trimmed", async () => {
    const gateway = await storeFrames(3);
    const store = await openStore();
    await store.acknowledge({ gateway, lane: 1, epoch: 0 }, [[0, 2]], Buffer.from("receipt"));
    await store.trim();
    await store.close();
    await loseHeader(gateway, 2);
    await tryToStart(faultyDatabase(disk(), { after: 1, applied: false }));
    expect(await startWell()).toMatchObject({ code: CODE_CHANGED, epoch: 1, broken: 0 });
  });

  test("is no other identity's duty: a chain lost whole still says whose the store is", async () => {
    const gateway = await storeFrames(1);
    const database = disk();
    await database.open();
    const chain = chainBytes({ gateway, lane: 1, epoch: 0 });
    const keys = [
      spaceKey(KEY_SPACES.chain, chain),
      ...[0, 1].flatMap((seq) => [KEY_SPACES.header, KEY_SPACES.payload].map((space) => seqKey(space, chain, seq))),
    ];
    await database.batch(
      keys.map((key) => ({ type: "del", key })),
      { sync: true },
    );
    await database.close();
    const store = await openStore();
    expect([store.chains(), store.duties()]).toMatchObject([[], [{ kind: "epoch", chain: { lane: 1, epoch: 0 } }]]);
    await store.close();
    await rm(defaultKeyFile(directory));
    await expect(openGateway(config, { clock: systemClock, log: silentLog })).rejects.toMatchObject({
      code: "IDENTITY_MISMATCH",
    });
    await writeFile(defaultKeyFile(directory), identityToPem(generateIdentity()), { mode: 0o600 });
    await expect(openGateway(config, { clock: systemClock, log: silentLog })).rejects.toMatchObject({
      code: "IDENTITY_MISMATCH",
    });
  });

  test("chain verify tells of the damage, changes nothing, and costs nothing", async () => {
    await loseHeader(await storeFrames(3), 2);
    const file = join(directory, "gateway.json");
    await writeFile(file, JSON.stringify({ dataDir: directory, discovery: { enabled: false } }));
    const before = await contents();
    expect(await chainCommand.run(["verify", "--config", file])).toBe(2);
    expect(await contents()).toEqual(before);
    expect(await startWell()).toEqual(WELL);
    expect(await chainCommand.run(["verify", "--config", file])).toBe(0);
  });

  test("without room the gateway starts, refuses the lane, and begins the epoch when there is some", async () => {
    await loseHeader(await storeFrames(3), 2);
    const whole = config;
    config = { ...whole, store: { ...whole.store, maxBytes: 1 } };
    const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
    const sender = await CoapSender.open(gateway.addresses[0]!.port);
    expect(await sender.post(["i"], senmlFrame("thermo", 9))).toBe(CODE_SERVICE_UNAVAILABLE);
    sender.close();
    await gateway.stop();
    config = whole;
    expect(await startWell()).toEqual(WELL);
  });
});

/** The disk alters a payload that it had confirmed. */
async function loseByte(gateway: Buffer, seq: number): Promise<void> {
  const database = disk();
  await database.open();
  const key = seqKey(KEY_SPACES.payload, chainBytes({ gateway, lane: 1, epoch: 0 }), seq);
  const value = Buffer.from((await database.get(key))!);
  value[value.length - 1]! ^= 1;
  await database.batch([{ type: "put", key, value }], { sync: true });
  await database.close();
}

describe("the payload of the newest batch is damaged", () => {
  test.each([
    { after: 0, applied: false },
    { after: 0, applied: true },
    { after: 1, applied: false },
    { after: 1, applied: true },
  ])(
    "its loss is told once and the chain goes on, whatever write a start was cut at: $after, $applied",
    async (fault) => {
      const gateway = await storeFrames(3);
      await loseByte(gateway, 2);
      await tryToStart(faultyDatabase(disk(), fault));
      expect(await startWell()).toMatchObject({ code: CODE_CHANGED, epoch: 0, broken: 0 });
      const store = await openStore();
      const chain = { gateway, lane: 1, epoch: 0 } as const;
      const batches = await store.read(chain, 0, { maxBytes: 1 << 20 });
      expect(batches.flatMap(({ payload }) => ownOf(recordsOf(payload)))).toMatchObject([
        { kind: "loss", reason: "quarantined", epoch: 0, ranges: [[2, 2]], records: 1 },
      ]);
      expect(store.chain(chain)).toMatchObject({ evicted: [[2, 2]], held: [[0, 4]] });
      await store.close();
    },
  );
});

describe("a lane whose tail is damaged, on a disk that does not write", () => {
  test.each([true, false])("the start ends with the failure instead of waiting (applied: %s)", async (applied) => {
    await loseHeader(await storeFrames(3), 2);
    // The first write mends the tail, the second begins the new epoch.
    const database = faultyDatabase(disk(), { after: 1, applied });
    const started = openGateway(config, { clock: systemClock, log: silentLog, database });
    await expect(started).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
  });

  test("a close that fails as well does not hide why", async () => {
    await loseHeader(await storeFrames(3), 2);
    const database = faultyDatabase(disk(), { after: 1, applied: false });
    const close = database.close.bind(database);
    database.close = async () => {
      await close();
      throw new Error("and it does not close");
    };
    const told: unknown[] = [];
    const log = { ...silentLog, error: (event: string, fields?: object) => told.push({ event, ...fields }) };
    await expect(openGateway(config, { clock: systemClock, log, database })).rejects.toMatchObject({
      code: "STORE_WRITE_FAILED",
    });
    expect(told).toContainEqual({ event: "close-failed", message: "and it does not close" });
  });
});
