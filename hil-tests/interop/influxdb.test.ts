/* Files of line protocol in a real InfluxDB, by the recipe of docs/operations.md, read by its own client. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { FilesSink } from "@paddock/collector/sinks/files/files-sink.ts";
import { LINES } from "@paddock/collector/sinks/files/lines.ts";
import type { Row } from "@paddock/collector/sinks/row.ts";
import { testRow } from "@paddock/collector/sinks/testing/row.ts";
import { codeBlock } from "../docs/code-block.ts";
import { run } from "../docs/run.ts";

const OPERATIONS = join(import.meta.dirname, "../../docs/operations.md");
const SITE = "north hall, 2=b";

let directory: string;
let server: ChildProcess;
let said = "";
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-influx-"));
  port = await freePort();
  const env = {
    ...process.env,
    INFLUXDB_REPORTING_DISABLED: "true",
    INFLUXDB_BIND_ADDRESS: `[::1]:${await freePort()}`,
    INFLUXDB_HTTP_BIND_ADDRESS: `[::1]:${port}`,
    INFLUXDB_META_DIR: join(directory, "meta"),
    INFLUXDB_DATA_DIR: join(directory, "data"),
    INFLUXDB_DATA_WAL_DIR: join(directory, "wal"),
    INFLUXDB_MONITOR_STORE_ENABLED: "false",
  };
  server = spawn("influxd", ["run", "-config", "/dev/null"], { env, stdio: ["ignore", "ignore", "pipe"] });
  server.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  server.once("error", (error) => (said += error.message));
  await until(async () => expect((await fetch(`http://[::1]:${port}/ping`)).status, said).toBe(204));
  await ask("CREATE DATABASE paddock");
});

afterAll(async () => {
  if (server?.exitCode === null && server.kill()) await once(server, "exit");
  await rm(directory, { recursive: true, force: true });
});

/** Series of an answer, each with its columns and rows; whole numbers beyond 2^53 are not asked for. */
interface Series {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: readonly (readonly (string | number | boolean | null)[])[];
}

async function ask(query: string): Promise<readonly Series[]> {
  const place = ["-host", "::1", "-port", String(port), "-database", "paddock"];
  const { status, output } = await run("influx", ...place, "-format", "json", "-precision", "u", "-execute", query);
  expect(status, output).toBe(0);
  const { results } = JSON.parse(output || '{"results":[]}') as { results: { series?: Series[] }[] };
  return results.flatMap(({ series = [] }) => series);
}

/** What InfluxDB holds of all, by offset. */
async function stored(): Promise<Readonly<Record<string, unknown>>[]> {
  const series = await ask("SELECT * FROM /.*/");
  const points: Readonly<Record<string, unknown>>[] = series.flatMap(({ name, columns, values }) =>
    values.map((value) =>
      Object.fromEntries([["measurement", name], ...columns.map((column, at) => [column, value[at]])]),
    ),
  );
  return points.toSorted((left, right) => Number(left["offset"]) - Number(right["offset"]));
}

/** As a point has it: absent fields and tags are null. */
function pointOf({ name, offset, part, number, text, flag, exact, whyNoNumber, sum, unit, source, ...row }: Row) {
  const tags = { measurement: name, site: SITE, source, gateway: row.gateway, lane: row.lane, unit: unit ?? "" };
  const values = { value: number, text, flag, exact, why: whyNoNumber, sum };
  return { ...tags, ...values, offset, part, time: row.timeUs, time_by: row.timeBy, clock: row.clock };
}

/** Many numbers, and one row of everything that line protocol escapes or has a kind for. */
function someRows(): Row[] {
  const edges = [0, -0.1, 1e-7, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, 1 / 3, 1e21];
  const numbers = Array.from({ length: 3000 }, (_, at) => ({
    number: edges[at] ?? Math.sin(at) * 10 ** ((at % 40) - 20),
  }));
  const others: Partial<Row>[] = [
    { number: null, text: String.raw`say "it" \ here, a=b`, name: "note" },
    { number: null, text: "ünï 🐄", name: "note" },
    { number: null, flag: true, name: "door" },
    { number: null, flag: false, name: "door" },
    { number: 9007199254740992, exact: "9007199254740993", name: "energy" },
    { number: null, whyNoNumber: "nan", name: "energy" },
    { number: 1, sum: 2.5, unit: null, name: "urn:dev:mac:1/a b,c" },
    { source: "[fd00::1]:5683, a=b c", name: "temp", timeUs: -1 },
    { source: "bücher", unit: "%RH", name: "temp", timeUs: 1 },
  ];
  return [...others, ...numbers].map((row, offset) =>
    testRow({ offset, timeUs: 1_760_000_000_000_000 + offset, ...row }),
  );
}

test("each row of the files that are whole is one point, equal in every field, also when a file is sent twice", async () => {
  const rowsDir = join(directory, "rows");
  const config = {
    directory: rowsDir,
    format: "influx",
    rotateBytes: 65_536,
    rotateAgeMs: 60_000,
    keepFiles: null,
  } as const;
  const sink = new FilesSink(config, { name: "lines", clock: systemClock, log: silentLog });
  await sink.open();
  const rows = someRows();
  expect(rows.filter((row) => LINES.influx.whyNot(row) !== undefined)).toEqual([]);
  for (let from = 0; from < rows.length; from += 100) {
    const some = rows.slice(from, from + 100);
    const place = { offset: from + some.length, updated: 1 };
    const sites = new Map([[some[0]!.gateway, SITE]]);
    await sink.write({ from, rows: some, deadLetters: [], missing: [], datings: [], place, sites });
  }
  await sink.close();
  const names = (await readdir(rowsDir)).filter((name) => name.startsWith("rows-")).toSorted();
  expect(names.length).toBeGreaterThan(5);
  const first = await readFile(join(rowsDir, names[0]!));

  const page = await readFile(OPERATIONS, "utf8");
  const recipe = codeBlock(page.slice(page.indexOf("\n**Files** (`files`)")), "sh");
  const script = `files=${rowsDir} influx=http://[::1]:${port}\n${recipe}`;
  expect(await run("sh", "-euc", script)).toEqual({ status: 0, output: "" });
  // Only the newest is left, which still grows.
  const left = (await readdir(rowsDir)).filter((name) => name.startsWith("rows-"));
  expect(left).toEqual([names.at(-1)]);
  const sent = rows.filter(({ offset }) => offset < Number(/\d+/u.exec(left[0]!)![0]));
  // As when the answer to a file was lost.
  await writeFile(join(rowsDir, names[0]!), first);
  expect(await run("sh", "-euc", script)).toEqual({ status: 0, output: "" });

  const points = await stored();
  expect(points.length).toBe(sent.length);
  for (const [at, row] of sent.entries()) {
    const wanted = pointOf(row);
    const found = Object.fromEntries(
      Object.keys(wanted).map((key) => [key, points[at]![key] ?? (key === "unit" ? "" : null)]),
    );
    expect(found, `offset ${row.offset}`).toEqual(wanted);
  }
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "::1");
  await once(probe, "listening");
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return free;
}
