import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DuckDB, loadDuckDB } from "@paddock/collector/query/duckdb.ts";
import { LakeSink } from "@paddock/collector/sinks/lake/lake-sink.ts";
import { dateOf, measurementOf } from "@paddock/collector/sinks/lake/partitions.ts";
import type { Row as Reading } from "@paddock/collector/sinks/row.ts";
import { testRow } from "@paddock/collector/sinks/testing/row.ts";
import { median, round } from "./load/numbers.ts";
import type { Bench, Row } from "./load/result.ts";

const ROWS = 200_000;
/** What the sink keeps at once unless it is told otherwise. */
const CHUNK = 50_000;
const ARRIVED_MS = Date.UTC(2026, 2, 1, 12);
const SITES = ["north", "south"];
const MEASUREMENTS = ["temperature", "humidity", "pressure", "voltage"];

/**
 * The same rows into the same partitions: by the lake's sink, and by DuckDB's appender and COPY … (PARTITION_BY …), in turns.
 * By the processor's time of this process, DuckDB's threads included.
 */
export const lake: Bench = async ({ quick, directory, progress }) => {
  const work = await mkdtemp(join(directory, "paddock-lake-"));
  const readings = readingsOf(quick ? ROWS / 4 : ROWS);
  const ours: number[] = [];
  const theirs: number[] = [];
  try {
    for (let turn = 0; turn < (quick ? 1 : 5); turn++) {
      progress(`lake: turn ${turn + 1}`);
      ours.push(await rate(readings.length, () => writeLake(join(work, `ours-${turn}`), readings)));
      theirs.push(await rate(readings.length, () => copyByDuckDB(join(work, `theirs-${turn}`), readings)));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const ratio = median(ours) / median(theirs);
  const rows: Row[] = [
    {
      what: "the lake's sink",
      value: round(median(ours)),
      unit: "rows/s of a core",
      rounds: ours.map((one) => round(one)),
    },
    {
      what: "DuckDB: appender and COPY",
      value: round(median(theirs)),
      unit: "rows/s of a core",
      rounds: theirs.map((one) => round(one)),
    },
    { what: "the sink in DuckDB's", value: round(ratio, 2), unit: "times", target: { is: "at least", value: 2 } },
    {
      what: "most memory of both together, with all rows",
      value: round(process.resourceUsage().maxRSS / 1024),
      unit: "MiB",
    },
  ];
  return rows;
};

async function rate(count: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (count / (user + system)) * 1e6;
}

async function writeLake(directory: string, readings: readonly Reading[]): Promise<void> {
  const sink = new LakeSink({ directory, wallMs: () => ARRIVED_MS });
  await sink.open();
  const sites = new Map(SITES.map((site, index) => [gatewayOf(index), site]));
  for (let from = 0; from < readings.length; from += CHUNK) {
    const rows = readings.slice(from, from + CHUNK);
    const place = { offset: from + rows.length, updated: ARRIVED_MS, log: "00" };
    await sink.write({ from, rows, deadLetters: [], missing: [], datings: [], place, sites });
  }
  await sink.close();
}

type Appender = Awaited<ReturnType<InstanceType<DuckDB["DuckDBConnection"]>["createAppender"]>>;

const COLUMNS =
  "time TIMESTAMPTZ, time_by VARCHAR, clock VARCHAR, name VARCHAR, unit VARCHAR, value DOUBLE, gateway VARCHAR, source VARCHAR, lane VARCHAR, arrived TIMESTAMPTZ, log_offset BIGINT, part INTEGER, epoch BIGINT, seq BIGINT, record INTEGER, boot BIGINT, monotonic_us BIGINT, site VARCHAR, date DATE, measurement VARCHAR";

async function copyByDuckDB(directory: string, readings: readonly Reading[]): Promise<void> {
  const duckdb = await loadDuckDB();
  const instance = await duckdb.DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE rows (${COLUMNS})`);
  const appender = await connection.createAppender("rows");
  for (const row of readings) appendRow(duckdb, appender, row);
  appender.closeSync();
  await connection.run(
    `COPY rows TO '${directory}' (FORMAT parquet, PARTITION_BY (site, date, measurement), COMPRESSION zstd)`,
  );
  connection.closeSync();
  instance.closeSync();
}

function appendRow({ DuckDBTimestampTZValue, DuckDBDateValue }: DuckDB, appender: Appender, row: Reading): void {
  appender.appendTimestampTZ(new DuckDBTimestampTZValue(BigInt(row.timeUs)));
  appender.appendVarchar(row.timeBy);
  appender.appendVarchar(row.clock);
  appender.appendVarchar(row.name);
  appender.appendVarchar(row.unit!);
  appender.appendDouble(row.number!);
  appender.appendVarchar(row.gateway);
  appender.appendVarchar(row.source);
  appender.appendVarchar(row.lane);
  appender.appendTimestampTZ(new DuckDBTimestampTZValue(BigInt(row.arrivedMs) * 1000n));
  appender.appendBigInt(BigInt(row.offset));
  appender.appendInteger(row.part);
  appender.appendBigInt(BigInt(row.epoch));
  appender.appendBigInt(BigInt(row.seq));
  appender.appendInteger(row.index);
  appender.appendBigInt(BigInt(row.boot));
  appender.appendBigInt(BigInt(row.monotonicUs));
  appender.appendVarchar(SITES[Number(row.gateway)]!);
  appender.appendDate(new DuckDBDateValue(Math.floor(Date.parse(dateOf(row)) / 86_400_000)));
  appender.appendVarchar(measurementOf(row.name));
  appender.endRow();
}

function gatewayOf(index: number): string {
  return String(index).padStart(64, "0");
}

/** Two sites, two days and four measurements: 16 partitions, with the values of a random walk. */
function readingsOf(count: number): Reading[] {
  let value = 20;
  return Array.from({ length: count }, (_, offset) => {
    value += ((offset * 7919) % 13) / 10 - 0.6;
    return testRow({
      offset,
      gateway: gatewayOf(offset % 2),
      seq: Math.floor(offset / 20),
      index: offset % 20,
      source: `mote-${offset % 400}`,
      name: `urn:dev:ow:${offset % 400}:${MEASUREMENTS[offset % 4]!}`,
      number: value,
      timeUs: (ARRIVED_MS - (offset % 3 === 0 ? 86_400_000 : 0)) * 1000 + offset * 500,
      arrivedMs: ARRIVED_MS,
      monotonicUs: offset * 500,
    });
  });
}
