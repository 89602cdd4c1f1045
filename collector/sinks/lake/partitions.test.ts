import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../../query/answer.ts";
import { loadDuckDB } from "../../query/duckdb.ts";
import { queryLake } from "../../query/query-lake.ts";
import { testRow } from "../testing/row.ts";
import type { Row } from "../row.ts";
import { LakeSink } from "./lake-sink.ts";
import { dateOf, hiveValue, measurementOf, MEASUREMENTS_MAX, OTHER, partitionRows } from "./partitions.ts";

const ARRIVED_MS = Date.UTC(2026, 2, 1, 12);
const DAY_US = 86_400_000_000;

test.each([
  ["urn:dev:ow:28ff:temperature", "temperature"],
  ["/3303/0/5700", "5700"],
  ["barn/door", "door"],
  ["humidity", "humidity"],
  ["a:b/", "a:b/"],
  ["a:", "a:"],
])("what %s measures is %s", (name, measurement) => {
  expect(measurementOf(name)).toBe(measurement);
});

test.each([
  [0, "2026-03-01"],
  [-12 * 3_600_000_000 - 1, "2026-02-28"],
  [-400 * DAY_US, "2025-01-25"],
  [-400 * DAY_US - 1, "2026-03-01"],
  [2 * DAY_US, "2026-03-03"],
  [2 * DAY_US + 1, "2026-03-01"],
])("a reading %d µs beside its arrival lies in %s", (besideUs, date) => {
  expect(dateOf({ timeUs: ARRIVED_MS * 1000 + besideUs, arrivedMs: ARRIVED_MS })).toBe(date);
});

test("a sensor whose clock is wild makes as many partitions as its arrivals have days", () => {
  const rows = Array.from({ length: 500 }, (_, index) =>
    testRow({ offset: index, arrivedMs: ARRIVED_MS, timeUs: index * -300 * DAY_US }),
  );
  expect(partitionRows(rows, new Map(), new Map()).size).toBe(1);
});

test("of 10,000 measurements of a day a thousand have partitions, however they come", () => {
  const rows = Array.from({ length: 10_000 }, (_, index) =>
    testRow({ offset: index, name: `m${index}`, arrivedMs: ARRIVED_MS }),
  );
  const known = new Map<string, Set<string>>();
  let kept = 0;
  for (let from = 0; from < rows.length; from += 700) {
    for (const [path, found] of partitionRows(rows.slice(from, from + 700), new Map(), known)) {
      const day = path.slice(0, path.lastIndexOf("/"));
      known.set(day, (known.get(day) ?? new Set()).add(path));
      kept += found.length;
    }
  }
  const [paths] = [...known.values()];
  expect([known.size, paths!.size, kept]).toEqual([1, MEASUREMENTS_MAX + 1, 10_000]);
  expect([...paths!].filter((path) => path.endsWith(`measurement=${OTHER}`))).toHaveLength(1);
});

test.each([
  ["barn 7", "barn%207"],
  ["null", "%6Eull"],
  ["..", "%2E."],
  ["", "%20"],
  ["a/b", "a%2Fb"],
  ["Zürich", "Z%C3%BCrich"],
])("%j as a folder is %s", (value, folder) => {
  expect(hiveValue(value)).toBe(folder);
});

test("a folder's name fits every file system", () => {
  expect(hiveValue("ü".repeat(500)).length).toBeLessThanOrEqual(200);
});

describe("DuckDB reads back", () => {
  const SITES = [
    "0x10",
    "007",
    "-0",
    "null",
    "NULL",
    "infinity",
    "epoch",
    "__HIVE_DEFAULT_PARTITION__",
    "a b/ü",
    ".",
    "..",
  ];
  /** Every character of a SenML name. */
  const NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:x/A-z.0_";
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "paddock-hive-"));
    const sites = new Map(SITES.map((site, index) => [String(index).padStart(64, "0"), site]));
    const rows: Row[] = [...sites.keys()].map((gateway, offset) =>
      testRow({
        offset,
        gateway,
        name: NAME,
        number: offset === 0 ? 20 : 20.5 + offset,
        arrivedMs: ARRIVED_MS,
        timeUs: ARRIVED_MS * 1000 + offset,
      }),
    );
    rows.push(
      testRow({
        offset: rows.length,
        gateway: [...sites.keys()][1]!,
        number: -0,
        name: "zero",
        arrivedMs: ARRIVED_MS,
        timeUs: ARRIVED_MS * 1000,
      }),
    );
    const sink = new LakeSink({ directory, wallMs: () => ARRIVED_MS });
    await sink.open();
    const place = { offset: rows.length, updated: 1, log: "aa" };
    await sink.write({ from: 0, rows, deadLetters: [], missing: [], datings: [], place, sites });
    await sink.close();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function ask(sql: string): Promise<(readonly unknown[])[]> {
    const rows: (readonly unknown[])[] = [];
    const take = async (answer: Answer): Promise<void> => {
      for await (const page of answer.chunks) rows.push(...page);
    };
    await queryLake(await loadDuckDB(), directory, sql, take, () => rows.length > 0);
    return rows;
  }

  test("sites as they were named, none of them a number, a date or NULL", async () => {
    expect(await ask("SELECT site FROM readings WHERE name LIKE 'ABC%' ORDER BY log_offset")).toEqual(
      SITES.map((site) => [site]),
    );
  });

  test("a fraction behind a file of whole numbers, -0, microseconds", async () => {
    expect(await ask("SELECT value FROM readings WHERE site = '007' AND value > 0")).toEqual([[21.5]]);
    expect(await ask("SELECT count(*)::INTEGER FROM zero WHERE 1 / value < 0")).toEqual([[1]]);
    expect(await ask("SELECT epoch_us(time)::VARCHAR FROM readings WHERE site = '-0'")).toEqual([
      [String(ARRIVED_MS * 1000 + 2)],
    ]);
  });
});
