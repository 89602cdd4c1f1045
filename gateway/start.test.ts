import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { chainBytes, KEY_SPACES, seqKey } from "@paddock/store/keyspace.ts";
import { levelDatabase, type KeyValueDatabase } from "@paddock/store/database.ts";
import { faultyDatabase } from "@paddock/store/testing/faulty-database.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { openGateway } from "./compose.ts";
import { parseGatewayConfig, type GatewayConfig } from "./config.ts";
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
    discovery: { enabled: false },
  });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const disk = (): KeyValueDatabase => levelDatabase(join(directory, "store", "generation-000001"));

/** Runs the gateway, has `frames` telemetry frames stored, and stops it. Returns the gateway's id. */
async function storeFrames(frames: number): Promise<Buffer> {
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  for (let index = 0; index < frames; index++) {
    expect(await sender.post(["i"], senmlFrame("thermo", index), 10_000)).toBe(CODE_CHANGED);
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
