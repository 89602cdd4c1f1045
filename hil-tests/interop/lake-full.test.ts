import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Farm } from "../kills/farm.ts";
import { lakeReadings, ledgerReadings } from "../kills/readers.ts";
import { sumsOf } from "../kills/tally.ts";

/** The disk of the lake is full while sensors send; it needs root, for a disk of a few hundred kilobytes. */

const LIMIT_MS = 900_000;
const run = promisify(execFile);
let directory = "";
let lakeDisk = "";
let farm: Farm;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-full-"));
  lakeDisk = join(directory, "disk");
  await mkdir(lakeDisk);
  await run("mount", ["-t", "tmpfs", "-o", "size=400k", "paddock-lake-full", lakeDisk]);
  farm = await Farm.start(5, { lake: join(lakeDisk, "lake") });
}, LIMIT_MS);
afterAll(async () => {
  await farm?.stop();
  await run("umount", [lakeDisk]);
  await rm(directory, { recursive: true, force: true });
}, LIMIT_MS);

test(
  "the lake waits and says why, the ledger and the other sinks go on, and with room nothing is missing",
  async () => {
    const [problem] = await farm.complaintsOf(["lake"]);
    expect(problem).toMatch(/SINK_UNAVAILABLE.*ENOSPC.*Make room/su);
    await farm.goesOn(["files", "sql", "redis"]);
    await farm.goesOn(["files", "sql", "redis"]);
    await run("mount", ["-o", "remount,size=64m", lakeDisk]);
    await farm.goesOn();
    await farm.drain();
    const ledger = sumsOf(await ledgerReadings(await farm.exportLog("readings.ndjson", "--format", "senml")));
    expect(sumsOf(await lakeReadings(join(lakeDisk, "lake")))).toEqual(ledger);
  },
  LIMIT_MS,
);
