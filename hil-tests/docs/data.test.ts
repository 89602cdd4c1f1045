import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { collectorCommand } from "@paddock/collector/commands/collector-command.ts";
import { loadDuckDB } from "@paddock/collector/query/duckdb.ts";
import { FILE_COLUMNS } from "@paddock/collector/query/views.ts";
import type { Row } from "@paddock/collector/sinks/row.ts";
import { PLAIN_ROW, writeLakeFile } from "@paddock/collector/testing/small-lake.ts";
import { codeBlock } from "./code-block.ts";

const PAGE = join(import.meta.dirname, "../../docs/data.md");

let page: string;
let lake: string;
let tempFile: string;

const at = (hour: number, minute = 0, day = 1): number => Date.UTC(2026, 2, day, hour, minute) * 1000;
const arriving = (timeUs: number, laterMs = 1000): Partial<Row> => ({ timeUs, arrivedMs: timeUs / 1000 + laterMs });

function temp(offset: number, number: number, more: Partial<Row>): Row {
  return { ...PLAIN_ROW, offset, number, ...more };
}

/** Readings of two sites on 1 March 2026, and what of them each query of the page finds. */
beforeAll(async () => {
  page = await readFile(PAGE, "utf8");
  lake = await mkdtemp(join(tmpdir(), "paddock-data-"));
  tempFile = await writeLakeFile(lake, "north", [
    temp(0, 20, arriving(at(10))),
    temp(1, 21.5, arriving(at(10, 5))),
    temp(2, 22, arriving(at(11, 30), 7_200_000)),
    temp(3, 19, arriving(at(11, 30))),
    temp(4, 18, arriving(at(23, 30))),
  ]);
  await writeLakeFile(lake, "south", [temp(5, -3, { ...arriving(at(10)), source: "mote-2" })]);
  const more = { ...PLAIN_ROW, source: "mote-3", unit: null };
  await writeLakeFile(lake, "south", [
    {
      ...more,
      ...arriving(at(12)),
      offset: 6,
      name: "gate:energy",
      number: 2 ** 53,
      exact: "9007199254740993",
      unit: "J",
    },
    { ...more, ...arriving(at(12, 1)), offset: 6, part: 1, name: "gate:energy", number: null, whyNoNumber: "nan" },
  ]);
  await writeLakeFile(lake, "south", [
    { ...more, ...arriving(at(13)), offset: 7, name: "gate:door", number: null, flag: true, lane: "alarm" },
  ]);
  await writeLakeFile(lake, "south", [
    { ...more, ...arriving(at(13, 0)), offset: 8, name: "gate:note", number: null, text: "opened", lane: "alarm" },
  ]);
});

afterAll(() => rm(lake, { recursive: true, force: true }));

const EXPECTED: Readonly<Record<string, readonly object[]>> = {
  "Latest value of each sensor": [
    { site: "north", source: "mote-1", name: "room:temp", at: "2026-03-01T23:30:00.000000Z", value: 18, unit: "Cel" },
    { site: "south", source: "mote-2", name: "room:temp", at: "2026-03-01T10:00:00.000000Z", value: -3, unit: "Cel" },
    {
      site: "south",
      source: "mote-3",
      name: "gate:energy",
      at: "2026-03-01T12:00:00.000000Z",
      value: 2 ** 53,
      unit: "J",
    },
  ],
  "Lowest, highest and average per hour": [
    { site: "north", hour: "2026-03-01T10:00:00.000000Z", n: 2, low: 20, high: 21.5, mean: 20.75 },
    { site: "north", hour: "2026-03-01T11:00:00.000000Z", n: 2, low: 19, high: 22, mean: 20.5 },
    { site: "north", hour: "2026-03-01T23:00:00.000000Z", n: 1, low: 18, high: 18, mean: 18 },
    { site: "south", hour: "2026-03-01T10:00:00.000000Z", n: 1, low: -3, high: -3, mean: -3 },
  ],
  "The same by days of a time zone": [
    { day: "2026-03-01", mean: 15.9 },
    { day: "2026-03-02", mean: 18 },
  ],
  "Gaps: where a sensor was silent for longer than ten minutes": [
    gap("2026-03-01T10:05:00.000000Z", "2026-03-01T11:30:00.000000Z", 5100),
    gap("2026-03-01T11:30:00.000000Z", "2026-03-01T23:30:00.000000Z", 43_200),
  ],
  Alarms: [
    { time: "2026-03-01T13:00:00.000000Z", site: "south", source: "mote-3", name: "gate:note", said: "opened" },
    { time: "2026-03-01T13:00:00.000000Z", site: "south", source: "mote-3", name: "gate:door", said: "true" },
  ],
  "Late data: what arrived more than an hour after it was measured": [
    { site: "north", date: "2026-03-01", n: 1, latest: "02:00:00" },
  ],
  "Numbers that a double does not hold": [
    { source: "mote-3", name: "gate:energy", value: 2 ** 53, exact: "9007199254740993", why_no_value: null },
    { source: "mote-3", name: "gate:energy", value: null, exact: null, why_no_value: "nan" },
  ],
  "From a row to its proof": [
    { log_offset: 2, part: 0, source: "mote-1", time: "2026-03-01T11:30:00.000000Z", value: 22 },
  ],
};

function gap(before: string, after: string, silent: number): object {
  return { source: "mote-1", name: "room:temp", before, after, silent_s: silent };
}

test.each(Object.entries(EXPECTED))("docs/data.md: %s", async (heading, expected) => {
  const section = page.split("\n### ").find((text) => text.startsWith(`${heading}\n`))!;
  const sql = codeBlock(section, "sql");
  const { stdout, stderr } = await runInProcess(collectorCommand, ["query", sql, "--lake", lake, "--json"]);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual(expected);
});

test("docs/data.md has no query that is not run, and names every column", () => {
  expect(page.match(/^```sql$/gmu)).toHaveLength(Object.keys(EXPECTED).length);
  const named = new Set([...page.matchAll(/`([a-z_]+)`/gu)].map(([, name]) => name));
  for (const [name] of FILE_COLUMNS) expect(named).toContain(name);
});

test("docs/data.md: the view for stock DuckDB says the same as ours", async () => {
  const { DuckDBInstance } = await loadDuckDB();
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  for (const sql of codeBlock(page, "stock").replace("lake/site", `${lake}/site`).split(/;$/mu).slice(0, -1))
    await connection.run(sql);
  const sql =
    "SELECT count(*) AS n, sum(value) AS s, min(time) AS t, max(date) AS d FROM readings WHERE site = 'north'";
  const stock = await connection.runAndReadAll(sql.replace("min(time)", "min(time)::VARCHAR"));
  expect(stock.getRowObjectsJson()).toEqual([{ n: "5", s: 100.5, t: "2026-03-01 10:00:00+00", d: "2026-03-01" }]);
  const { stdout } = await runInProcess(collectorCommand, ["query", sql, "--lake", lake, "--format", "ndjson"]);
  expect(JSON.parse(stdout)).toEqual({ n: 5, s: 100.5, t: "2026-03-01T10:00:00.000000Z", d: "2026-03-01" });
  connection.closeSync();
});

test("docs/data.md: the JavaScript example, as it stands there, reads a file", async () => {
  // Where its import finds the package.
  const folder = await mkdtemp(join(import.meta.dirname, "../../collector/node_modules/.data-page-"));
  try {
    const script = join(folder, "read.mjs");
    await writeFile(script, codeBlock(page, "js"));
    const { stdout } = await promisify(execFile)(process.execPath, [script, tempFile]);
    expect(stdout.split("\n").slice(0, 2)).toEqual([`${at(10)} 20`, `${at(10, 5)} 21.5`]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
