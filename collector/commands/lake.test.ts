import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { LakeSink } from "../sinks/lake/lake-sink.ts";
import { testRow } from "../sinks/testing/row.ts";
import { collectorCommand } from "./collector-command.ts";

const ARRIVED_MS = Date.UTC(2026, 2, 1, 12);
const FOLDER = "site=barn/date=2026-03-01/measurement=temperature";

let directory: string;
let config: string;
let sink: LakeSink;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  config = join(directory, "collector.json");
  const sinks = [{ name: "lake", lake: { directory: join(directory, "lake") } }];
  await writeFile(config, JSON.stringify({ dataDir: directory, sinks }));
  sink = new LakeSink({ directory: join(directory, "lake"), wallMs: () => ARRIVED_MS });
  await sink.open();
  for (let offset = 0; offset < 3; offset++) {
    const row = testRow({ offset, number: offset + 0.5, arrivedMs: ARRIVED_MS, timeUs: ARRIVED_MS * 1000 + offset });
    await sink.write({
      from: offset,
      rows: [row],
      deadLetters: [],
      missing: [],
      datings: [],
      place: { offset: offset + 1, updated: 1, log: "aa" },
      sites: new Map([[row.gateway, "barn"]]),
    });
  }
  await sink.close();
});
afterEach(async () => {
  await sink.close();
  await rm(directory, { recursive: true, force: true });
});

function lake(...args: string[]) {
  return runInProcess(collectorCommand, ["lake", ...args]);
}

test("ls tells the partitions of the lake that the configuration names", async () => {
  const { code, stdout } = await lake("ls", "--config", config);
  expect([code, stdout.split("\n")[0]]).toEqual([
    0,
    expect.stringMatching(new RegExp(`^${FOLDER}  3 files  3 rows  \\d+ bytes  offsets 0-2$`, "u")),
  ]);
  expect(stdout).toContain("1 partitions; the next log offset is 3");
  const { stdout: json } = await lake("ls", "--lake", join(directory, "lake"), "--json");
  expect(JSON.parse(json)).toMatchObject({ place: { offset: 3 }, partitions: [{ path: FOLDER, files: 3, rows: 3 }] });
});

test("compact merges what is over, and is refused while a sink writes; the rows are the same to SQL", async () => {
  const ask = () =>
    runInProcess(collectorCommand, [
      "query",
      "SELECT value FROM readings ORDER BY 1",
      "--config",
      config,
      "--format",
      "csv",
    ]);
  const before = await ask();
  expect(before).toMatchObject({ code: 0, stdout: expect.stringContaining("0.5") as string });
  await sink.open();
  expect(await lake("compact", "--config", config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("has the lake") as string,
  });
  await sink.close();
  expect(await lake("compact", "--config", config)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("3 files became 1") as string,
  });
  expect(await readdir(join(directory, "lake", FOLDER))).toEqual(["part-0-2-merged.parquet"]);
  expect(await ask()).toEqual(before);
  expect(await lake("verify", "--config", config)).toMatchObject({ code: 0 });
});

test("verify names the file whose bytes are not those that were written, and ends with 1", async () => {
  const path = join(directory, "lake", FOLDER, "part-1-1.parquet");
  const bytes = await readFile(path);
  bytes[40]! ^= 1;
  await writeFile(path, bytes);
  const { code, stdout } = await lake("verify", "--config", config);
  expect(code).toBe(1);
  expect(stdout).toContain(`${FOLDER}/part-1-1.parquet: its bytes are not those that were written`);
});

test("a folder that is none, a configuration without one, and another word are told", async () => {
  expect(await lake("ls", "--lake", directory)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("holds no lake") as string,
  });
  await writeFile(config, JSON.stringify({ dataDir: directory }));
  expect(await lake("ls", "--config", config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no sink that is a lake") as string,
  });
  expect(await lake("mend", "--config", config)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("none of ls, verify, compact") as string,
  });
});
