import { appendFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import type { Row } from "../sinks/row.ts";
import { PLAIN_ROW, writeLakeFile } from "../testing/small-lake.ts";
import { collectorCommand } from "./collector-command.ts";

let lake: string;

beforeEach(async () => {
  // A name with all that a glob pattern would take for more than itself.
  lake = await mkdtemp(join(tmpdir(), "lake [a]* of 'ours'?-"));
  await writeFile(join(lake, "boots.ndjson"), "");
});

afterEach(() => rm(lake, { recursive: true, force: true }));

const row = (more: Partial<Row>): Row => ({ ...PLAIN_ROW, ...more });
const temp = (offset: number, number: number | null, more: Partial<Row> = {}) => row({ offset, number, ...more });

const query = (sql: string, ...more: string[]) =>
  runInProcess(collectorCommand, ["query", sql, "--lake", lake, ...more]);

async function rowsOf(sql: string): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await query(sql, "--format", "json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Record<string, unknown>[];
}

describe("views", () => {
  test("readings is the whole lake, and a measurement has a view of its name", async () => {
    await writeLakeFile(lake, "north", [temp(0, 20), temp(1, 21)]);
    await writeLakeFile(lake, "south", [temp(2, 30)]);
    await writeLakeFile(lake, "south", [row({ offset: 3, name: "room:hum", number: 55 })]);
    expect(await rowsOf("SELECT site, measurement, count(*) AS n FROM readings GROUP BY ALL ORDER BY ALL")).toEqual([
      { site: "north", measurement: "temp", n: 2 },
      { site: "south", measurement: "hum", n: 1 },
      { site: "south", measurement: "temp", n: 1 },
    ]);
    expect(await rowsOf("SELECT max(value) AS hot FROM temp")).toEqual([{ hot: 30 }]);
    expect(await rowsOf("SHOW TABLES")).toEqual([{ name: "hum" }, { name: "readings" }, { name: "temp" }]);
    expect(await rowsOf("FROM (PIVOT readings ON measurement USING count(*) GROUP BY site) ORDER BY site")).toEqual([
      { site: "north", hum: 0, temp: 2 },
      { site: "south", hum: 1, temp: 1 },
    ]);
  });

  test("a file without fractions that comes first, even one of whole numbers by its type, cuts none", async () => {
    await writeLakeFile(lake, "a", [temp(0, 20)], { name: "part-0" });
    await writeLakeFile(lake, "a", [temp(1, 20.5), temp(2, 21.49)], { name: "part-1" });
    const other = join(lake, "site=a/date=2026-03-01/measurement=temp/part-00.parquet");
    await foreignFile(other, "SELECT TIMESTAMPTZ '2026-03-01 00:00:00Z' AS time, 'temp' AS name, 7::INTEGER AS value");
    expect(await rowsOf("SELECT list(value ORDER BY value) AS v, count(gateway) AS g FROM temp")).toEqual([
      { v: [7, 20, 20.5, 21.49], g: 3 },
    ]);
  });

  test("sites named like numbers, days and nothing stay what they are called", async () => {
    const sites = ["0x10", "007", "null", "NULL", "infinity", "epoch", "-0", "16", "a/b c%=é"];
    for (const [offset, site] of sites.entries()) await writeLakeFile(lake, site, [temp(offset, offset)]);
    const found = await rowsOf("SELECT site, typeof(site) AS type FROM readings ORDER BY log_offset");
    expect(found.map(({ site }) => site)).toEqual(sites);
    expect(new Set(found.map(({ type }) => type))).toEqual(new Set(["VARCHAR"]));
  });

  test("the time zone is UTC, whatever the environment says", async () => {
    await writeLakeFile(lake, "a", [temp(0, 1, { timeUs: Date.UTC(2026, 2, 1, 23, 30) * 1000 + 1 })]);
    const zone = process.env["TZ"];
    process.env["TZ"] = "America/New_York";
    try {
      expect(
        await rowsOf(
          "SELECT time, date_trunc('day', time) AS day, time::VARCHAR AS text, time AT TIME ZONE 'Europe/Berlin' AS local, arrived FROM temp WHERE time >= '2026-03-01 23:30:00'",
        ),
      ).toEqual([
        {
          time: "2026-03-01T23:30:00.000001Z",
          day: "2026-03-01T00:00:00.000000Z",
          text: "2026-03-01 23:30:00.000001+00",
          local: "2026-03-02T00:30:00.000001",
          arrived: "2026-03-01T12:00:01.000000Z",
        },
      ]);
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });

  test("-0, the largest log offsets, and sums of them beyond 2^53 are exact", async () => {
    await writeLakeFile(lake, "a", [temp(0, 0), temp(1, -0), temp(2, 1)]);
    const zero = await query("SELECT value FROM temp ORDER BY log_offset", "--format", "ndjson");
    expect(zero.stdout).toBe('{"value":0}\n{"value":-0}\n{"value":1}\n');
    const most = Number.MAX_SAFE_INTEGER;
    await writeLakeFile(lake, "a", [temp(most - 1, 1), temp(most, 1)], { name: "b" });
    const big = "SELECT max(log_offset) AS o, sum(log_offset) AS s FROM temp WHERE log_offset > 9";
    expect(await rowsOf(big)).toEqual([{ o: 9007199254740991, s: "18014398509481981" }]);
    expect((await query(big, "--format", "csv")).stdout).toBe("o,s\r\n9007199254740991,18014398509481981\r\n");
  });

  test("measurements named like a view, like SQL, and alike but for case break nothing", async () => {
    const named = ["readings", "select", "Temp", "temp", "a.b-c_d", "duckdb_views"];
    for (const [offset, name] of named.entries())
      await writeLakeFile(lake, "a", [temp(offset, offset, { name: `x:${name}` })]);
    const all = await query("SELECT count(*) AS n FROM readings", "--format", "ndjson");
    expect(all).toMatchObject({ code: 0, stdout: '{"n":6}\n', stderr: expect.stringMatching(/readings has no view/u) });
    const value = async (from: string) =>
      (await query(`SELECT list(value ORDER BY value) AS v FROM ${from}`, "--format", "ndjson")).stdout;
    expect(await value('"select"')).toBe('{"v":[1]}\n');
    expect(await value("temp")).toBe('{"v":[2,3]}\n');
    expect(await value('"a.b-c_d"')).toBe('{"v":[4]}\n');
    expect(await value("temp WHERE measurement = 'Temp'")).toBe('{"v":[2]}\n');
  });

  test("measurements too many for a folder each are what their names say", async () => {
    const undated = { timeBy: "collector", clock: "unset" } as const;
    await writeLakeFile(lake, "a", [temp(0, 1)]);
    await writeLakeFile(
      lake,
      "a",
      [
        temp(1, 2),
        temp(2, 3, { name: "x/Rare" }),
        temp(3, 4, { name: "x:" }),
        temp(4, 5, { name: "y:rare", ...undated }),
      ],
      { measurement: "_other" },
    );
    const value = async (from: string) =>
      (await query(`SELECT list(value ORDER BY value) AS v FROM ${from}`, "--format", "ndjson")).stdout;
    for (const boots of ["", `{"gateway":"${PLAIN_ROW.gateway}","boot":3,"zero_us":0}\n`]) {
      await writeFile(join(lake, "boots.ndjson"), boots);
      expect(await value("temp")).toBe('{"v":[1,2]}\n');
      expect(await value("rare")).toBe('{"v":[3,5]}\n');
      expect(await value("readings WHERE measurement IN ('x:', 'temp')")).toBe('{"v":[1,2,4]}\n');
    }
    expect(await query("FROM nothing")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/nothing does not exist/u),
    });
  });

  test("an empty lake has the right columns and no rows", async () => {
    expect(await rowsOf("SELECT * FROM readings")).toEqual([]);
    const described = await rowsOf("SELECT column_name AS c, column_type AS t FROM (DESCRIBE readings)");
    expect(described.slice(0, 1)).toEqual([{ c: "time", t: "TIMESTAMP WITH TIME ZONE" }]);
    expect(described.map(({ c }) => c).slice(-3)).toEqual(["site", "date", "measurement"]);
    expect(described).toHaveLength(28);
    await writeLakeFile(lake, "a", [temp(0, 1)]);
    expect(await rowsOf("SELECT column_name AS c, column_type AS t FROM (DESCRIBE temp)")).toEqual(described);
  });

  test("a boot that was dated later dates its rows, and what says nothing is told", async () => {
    const arrivedMs = Date.UTC(2026, 2, 2);
    const undated = { timeBy: "collector", clock: "unset", arrivedMs, timeUs: arrivedMs * 1000 } as const;
    await writeLakeFile(lake, "a", [
      temp(0, 1, { ...undated, boot: 7, monotonicUs: 2_000_001 }),
      temp(1, 2, { ...undated, boot: 7, monotonicUs: 3_000_000, timeUs: arrivedMs * 1000 - 500_000 }),
      temp(2, 3, { ...undated, boot: 8 }),
      temp(3, 4, { boot: 7, timeUs: arrivedMs * 1000 }),
    ]);
    const zeroUs = Date.UTC(2026, 1, 28, 23, 59, 58) * 1000;
    await writeFile(join(lake, "boots.ndjson"), `{"gateway":"${PLAIN_ROW.gateway}","boot":7,"zero_us":${zeroUs}}\n`);
    const sql = "SELECT time, time_by, clock, date FROM temp ORDER BY log_offset";
    const expected = [
      { time: "2026-03-01T00:00:00.000001Z", time_by: "gateway", clock: "dated", date: "2026-03-01" },
      { time: "2026-03-01T00:00:00.500000Z", time_by: "gateway", clock: "dated", date: "2026-03-01" },
      { time: "2026-03-02T00:00:00.000000Z", time_by: "collector", clock: "unset", date: "2026-03-02" },
      { time: "2026-03-02T00:00:00.000000Z", time_by: "sensor", clock: "synchronised", date: "2026-03-02" },
    ];
    expect(await rowsOf(sql)).toEqual(expected);
    expect(await rowsOf("SELECT count(*) AS n FROM readings WHERE date = '2026-03-01'")).toEqual([{ n: 2 }]);
    // The last line is half: the sink is writing it. One in the middle is not.
    await appendFile(join(lake, "boots.ndjson"), `{"gateway":"b2`);
    expect(await rowsOf(sql)).toEqual(expected);
    await appendFile(join(lake, "boots.ndjson"), `","boot":-\n`);
    expect(await query(sql, "--json")).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 lines of .*boots/u) });
  });
});

/** A file that another program wrote, with DuckDB. */
async function foreignFile(path: string, select: string): Promise<void> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run(`COPY (${select}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`);
  connection.closeSync();
}

describe("formats", () => {
  const ODD = `SELECT 'a,"b"
c' AS text, NULL AS nothing, '' AS empty, 'nan'::DOUBLE AS nan, '-infinity'::DOUBLE AS inf, 'AP8B'::VARCHAR AS plain, '\\x00\\xFF'::BLOB AS blob, 1.50::DECIMAL(5,2) AS d, 12345678901234567890.5::DECIMAL(30,1) AS long, {'x': [1, NULL], 'y': DATE '2026-01-02'} AS s, 1 AS text, MAP {'k': true} AS m`;

  test("json is valid whatever the values, and loses none", async () => {
    const { stdout } = await query(ODD, "--json");
    expect(JSON.parse(stdout)).toEqual([
      {
        text: 'a,"b"\nc',
        nothing: null,
        empty: "",
        nan: "NaN",
        inf: "-Infinity",
        plain: "AP8B",
        blob: "AP8=",
        d: 1.5,
        long: "12345678901234567890.5",
        s: { x: [1, null], y: "2026-01-02" },
        "text:1": 1,
        m: [{ key: "k", value: true }],
      },
    ]);
    expect(stdout).toContain('"d":1.50');
    expect((await query("SELECT chr(27) || '[2J' || chr(8238) AS t", "--json")).stdout).toBe(
      '[\n{"t":"\\u001b[2J\\u202e"}\n]\n',
    );
  });

  test("csv is RFC 4180: quoted where it must be, NULL empty, empty text quoted", async () => {
    expect((await query(ODD, "--format", "csv")).stdout).toBe(
      'text,nothing,empty,nan,inf,plain,blob,d,long,s,text:1,m\r\n"a,""b""\nc",,"",NaN,-Infinity,AP8B,AP8=,1.50,12345678901234567890.5,"{""x"":[1,null],""y"":""2026-01-02""}",1,"[{""key"":""k"",""value"":true}]"\r\n',
    );
  });

  test("a table is aligned and steers no terminal", async () => {
    const { stdout } = await query(
      "SELECT * FROM (VALUES ('a', 1.5, NULL), ('温度', 20.25, 'x'), (chr(27) || '[31mred' || chr(10) || 'end', -3, 'y')) t(name, value, note)",
    );
    expect(stdout).toBe(`name           value  note
-------------  -----  ----
a               1.50  NULL
温度           20.25  x
\uFFFD[31mred\\nend  -3.00  y
(3 rows)
`);
    expect((await query("SELECT r FROM range(1001) t(r)")).stdout).toMatch(/The first 1000 rows; --format csv/u);
    expect((await query("SELECT 1 AS a")).stdout).toBe("a\n-\n1\n(1 row)\n");
  });

  test("an answer of many rows is whole in every format", async () => {
    const sql = "SELECT r FROM range(10000) t(r)";
    expect(JSON.parse((await query(sql, "--format", "json")).stdout)).toHaveLength(10_000);
    expect((await query(sql, "--format", "ndjson")).stdout.trim().split("\n")).toHaveLength(10_000);
    expect((await query(sql, "--format", "csv")).stdout.trim().split("\r\n")).toHaveLength(10_001);
    expect((await query("SELECT 1 AS a WHERE false", "--json")).stdout).toBe("[]\n");
    expect((await query("SELECT 1 AS a WHERE false", "--format", "csv")).stdout).toBe("a\r\n");
  });
});

describe("what is refused", () => {
  test("SQL that is wrong is told in DuckDB's own words, without a stack", async () => {
    await writeLakeFile(lake, "a", [temp(0, 1)]);
    const { code, stdout, stderr } = await query("SELECT avrg(value)\nFROM temp");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^QUERY_FAILED: Catalog Error: .*avrg[\s\S]*LINE 1: SELECT avrg\(value\)\n +\^/u);
    expect(stderr).not.toMatch(/\n +at /u);
    expect(await query("SELEC 1")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^QUERY_FAILED: Parser Error/u),
    });
    expect(await query("SELECT error('x' || value) FROM temp")).toMatchObject({ code: 2 });
    for (const empty of ["", "/* nothing */", " ; "]) {
      expect(await query(empty)).toMatchObject({ code: 2, stderr: expect.stringMatching(/no statement/u) });
    }
  });

  test("an answer that breaks off in its midst ends with 2, and is no valid JSON", async () => {
    const { code, stdout, stderr } = await query(
      "SELECT CAST(CASE WHEN r = 9999 THEN 'x' ELSE '1' END AS INTEGER) AS i FROM range(10000) t(r)",
      "--json",
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/Conversion Error/u);
    expect(() => JSON.parse(stdout) as unknown).toThrow(SyntaxError);
  });

  test.each([
    "COPY (SELECT 1) TO 'OUT'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'OUT'",
    "explain /* so */ analyze COPY (SELECT 1) TO 'OUT'",
    "ATTACH 'OUT'",
    "EXPORT DATABASE 'OUT'",
    "LOAD httpfs",
    "INSTALL httpfs",
    "PREPARE p AS COPY (SELECT 1) TO 'OUT'",
    "SELECT 1; COPY (SELECT 1) TO 'OUT'",
    "SET autoload_known_extensions = true",
    "SELECT * FROM 'https://[::1]:1/x.parquet'",
  ])("%s", async (sql) => {
    const path = join(lake, "out");
    expect(await query(sql.replace("OUT", path.replaceAll("'", "''")))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^QUERY_FAILED/u),
    });
    expect(await readdir(lake)).toEqual(["boots.ndjson"]);
  });

  test("what only reads is taken", async () => {
    await writeLakeFile(lake, "a", [temp(0, 1)]);
    for (const sql of [
      "EXPLAIN SELECT 1",
      "EXPLAIN ANALYZE SELECT * FROM temp",
      "DESCRIBE temp",
      "SUMMARIZE temp",
      "VALUES (1)",
    ]) {
      expect(await query(sql)).toMatchObject({ code: 0, stderr: "" });
    }
    expect(await rowsOf("CREATE TABLE mine AS SELECT max(value) AS v FROM temp; SELECT v + 1 AS w FROM mine")).toEqual([
      { w: 2 },
    ]);
  });

  test("a configuration without a lake", async () => {
    const config = join(lake, "collector.json");
    await writeFile(config, JSON.stringify({ dataDir: lake }));
    expect(await runInProcess(collectorCommand, ["query", "SELECT 1", "--config", config])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^USAGE: .*has no sink that is a lake\. Name the folder/u),
    });
  });

  test("a folder that is no lake, and an unknown format", async () => {
    await rm(join(lake, "boots.ndjson"));
    expect(await query("SELECT 1")).toMatchObject({ code: 2, stderr: expect.stringMatching(/holds no lake/u) });
    await rm(lake, { recursive: true });
    expect(await query("SELECT 1")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cannot be read: ENOENT/u),
    });
    expect(await query("SELECT 1", "--format", "xml")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/table, csv, json, ndjson/u),
    });
    expect(await runInProcess(collectorCommand, ["query", "SELECT 1"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/CONFIG_UNREADABLE|--lake/u),
    });
  });
});
