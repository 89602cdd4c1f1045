import { expect } from "vitest";
import { REDIS_PREFIX, type Farm } from "./farm.ts";
import { fileReadings, lakeReadings, ledgerReadings, newestOffsets, redisOffsets, sqlReadings } from "./readers.ts";
import { sumsOf } from "./tally.ts";

/** Every frame that was answered is in the ledger once, and every reading of the ledger is in each sink once. */
export async function expectWhole(farm: Farm): Promise<void> {
  expect(await farm.verify(await farm.exportLog("log.ndjson"))).toMatchObject({
    reasons: [],
    lost: 0,
    duplicate: 0,
    altered: 0,
    verdict: "PASS",
  });
  const readings = await ledgerReadings(await farm.exportLog("readings.ndjson", "--format", "senml"));
  const ledger = sumsOf(readings);
  expect([...ledger.keys()]).toEqual(["moisture", "open", "seq", "temperature"]);
  expect(sumsOf(await fileReadings(farm.path("files")))).toEqual(ledger);
  expect(sumsOf(await lakeReadings(farm.path("lake")))).toEqual(ledger);
  expect(sumsOf(await sqlReadings(farm.mariadb))).toEqual(ledger);
  expect(await redisOffsets(farm.redis, REDIS_PREFIX)).toEqual(newestOffsets(readings));
}
