/* Sensors that send what no sensor should, through a real collector into files and a lake. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { loadDuckDB } from "../query/duckdb.ts";
import { ask, askJson } from "../operator/operator-client.ts";
import type { SinkReport } from "../operator/operator-sinks.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";
import { MEASUREMENTS_MAX } from "./lake/partitions.ts";
import { payloadOfFrames } from "./testing/frames.ts";

const MEASUREMENTS = 10_000;
/** Of one batch. */
const RECORDS = 500;
/** RFC 8428 §4.5.1: first a letter or digit, then these. */
const EVERY_CHARACTER = "0ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:./_";
const NAMES = [
  EVERY_CHARACTER,
  "a/..",
  "a:.",
  "a:null",
  "a:NULL",
  "a:_other",
  "a:-0",
  "a:0x10",
  "a".repeat(1000),
  "a/",
];
const YEAR_S = 31_556_952;
/** From 1970 to 2262, forth and back; what is beyond 2255 is beyond microseconds in a double. */
const TIMES_S = Array.from({ length: 586 }, (_, index) => ((index * 101) % 293) * YEAR_S + index);
const BEYOND = TIMES_S.filter((time) => !Number.isSafeInteger(time * 1e6)).length;

let directory: string;
let collector: TestCollector;
let values = 0;

function frame(name: string, timeS?: number): Buffer {
  const writer = new CborWriter(64 + name.length).array(1).map(timeS === undefined ? 2 : 3);
  writer.int(0).text(name).int(2).int(values++);
  if (timeS !== undefined) writer.int(6).int(timeS);
  return Buffer.from(writer.finish());
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-wild-"));
  const of = (name: string) => ({ directory: join(directory, name) });
  collector = await TestCollector.start({
    sinks: [
      { name: "files", maxDelayMs: 20, files: of("files") },
      { name: "influx", maxDelayMs: 20, files: { ...of("influx"), format: "influx" } },
      { name: "lake", maxDelayMs: 500, lake: of("lake") },
    ],
  });
  const sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  const client = collector.client();
  const frames = [
    ...NAMES.map((name) => frame(name)),
    ...Array.from({ length: MEASUREMENTS }, (_, index) => frame(`urn:dev:m:${index}`)),
    ...TIMES_S.map((time) => frame("wild", time)),
  ];
  for (let at = 0; at < frames.length; at += RECORDS) {
    const some = frames.slice(at, at + RECORDS);
    const answer = await client.upload(sealer.chain, [sealer.seal(payloadOfFrames(some), some.length)]);
    expect(answer.status).toBe(200);
  }
  await until(async () => {
    for (const sink of await sinks()) expect(sink).toMatchObject({ state: "reading", lag: { records: 0 } });
  });
}, 300_000);

afterAll(async () => {
  await collector?.end();
  await rm(directory, { recursive: true, force: true });
});

const sinks = (): Promise<SinkReport[]> => askJson<SinkReport[]>(collector.socket, { path: "/v1/sinks" });

async function rowsIn(name: string): Promise<number> {
  const files = (await readdir(join(directory, name))).filter((file) => file.startsWith("rows-"));
  const texts = await Promise.all(files.map((file) => readFile(join(directory, name, file), "utf8")));
  return texts.join("").split("\n").length - 1;
}

test("each reading is there once, but those of times beyond a double's microseconds, which are told", async () => {
  const rows = NAMES.length + MEASUREMENTS + TIMES_S.length - BEYOND;
  expect(BEYOND).toBeGreaterThan(5);
  for (const sink of await sinks()) expect(sink).toMatchObject({ rows, deadLetters: { total: BEYOND } });
  expect([await rowsIn("files"), await rowsIn("influx")]).toEqual([rows, rows]);
  const { DuckDBInstance } = await loadDuckDB();
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const glob = join(directory, "lake/**/*.parquet");
  const read = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER, count(DISTINCT value)::INTEGER, count(DISTINCT name)::INTEGER FROM read_parquet('${glob}', union_by_name=true)`,
  );
  expect(read.getRowsJS()).toEqual([[rows, rows, NAMES.length + MEASUREMENTS + 1]]);
  const named = await connection.runAndReadAll(
    `SELECT DISTINCT name FROM read_parquet('${glob}') WHERE NOT starts_with(name, 'urn:')`,
  );
  expect(new Set(named.getRowsJS().flat())).toEqual(new Set([...NAMES, "wild"]));
  connection.closeSync();
  instance.closeSync();
});

test("partitions and files are bounded, and both kinds of trouble are told", async () => {
  const lake = (await sinks()).find(({ name }) => name === "lake")!;
  const folders = (await readdir(join(directory, "lake"), { recursive: true })).filter((path) =>
    /measurement=[^/]+$/u.test(path),
  );
  // Of all those years the day of arrival, and days of the last 400 that the wild clock happened to name.
  const days = new Set(folders.map((folder) => folder.split("/")[1]));
  expect(days.size).toBeLessThanOrEqual(5);
  expect(folders.length).toBeLessThanOrEqual(days.size * (MEASUREMENTS_MAX + 1));
  expect(lake.details["files"]).toBeLessThanOrEqual(lake.chunks * (MEASUREMENTS_MAX + 1) * days.size);
  expect(lake.details["rowsOfTooManyMeasurements"]).toBeGreaterThan(MEASUREMENTS - 2 * MEASUREMENTS_MAX);
  expect(lake.details["rowsOfWildClocks"]).toBeGreaterThan(TIMES_S.length - BEYOND - 20);
  const metrics = (await ask(collector.socket, { path: "/metrics" })).toString("utf8");
  const figure = (name: string): number =>
    Number(new RegExp(`^paddock_collector_sink_${name}\\{sink="lake",kind="lake"\\} (\\d+)$`, "mu").exec(metrics)?.[1]);
  expect(figure("files")).toBe(lake.details["files"]);
  expect(figure("other_rows")).toBe(lake.details["rowsOfTooManyMeasurements"]);
  expect(figure("wild_rows")).toBe(lake.details["rowsOfWildClocks"]);
});

test("no file stays open", async () => {
  const open = await readdir(`/proc/${collector.collector.sinks!.pid}/fd`);
  expect(open.length).toBeLessThan(60);
});
