import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import type { Row } from "../sinks/row.ts";

/** A reading of nothing in particular: 2026-03-01T12:00:00Z, from the first gateway's `mote-1`. */
export const PLAIN_ROW: Row = {
  offset: 0,
  part: 0,
  gateway: "a1".repeat(32),
  lane: "telemetry",
  epoch: 0,
  seq: 0,
  index: 0,
  source: "mote-1",
  name: "room:temp",
  unit: "Cel",
  number: 20,
  exact: null,
  whyNoNumber: null,
  text: null,
  flag: null,
  data: null,
  contentFormat: null,
  sum: null,
  updateS: null,
  timeUs: Date.UTC(2026, 2, 1, 12) * 1000,
  timeBy: "sensor",
  clock: "synchronised",
  arrivedMs: Date.UTC(2026, 2, 1, 12, 0, 1),
  boot: 3,
  monotonicUs: 5_000_000,
};

/** A file of the lake, written as the lake's layout says: every column with a type of its own, times as UTC microseconds. */
export async function writeLakeFile(
  lake: string,
  site: string,
  rows: readonly Row[],
  { log = "0".repeat(32), name = "part-0", date = dayOf(rows[0]!) } = {},
): Promise<string> {
  const measurement = rows[0]!.name.split(/[:/]/u).at(-1)!;
  const folders = [`site=${hive(site)}`, `date=${date}`, `measurement=${hive(measurement)}`];
  const folder = join(lake, ...folders);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.parquet`);
  await writeFile(path, await parquetOf(rows, log));
  return path;
}

function dayOf({ timeUs }: Row): string {
  return new Date(timeUs / 1000).toISOString().slice(0, 10);
}

function hive(value: string): string {
  return encodeURIComponent(value).replaceAll("*", "%2A");
}

type Column = readonly [name: string, type: Readonly<Record<string, unknown>>, valueOf: (row: Row) => unknown];

const STRING = { type: "BYTE_ARRAY", converted_type: "UTF8" };
const DOUBLE = { type: "DOUBLE" };
const INT64 = { type: "INT64" };
const INT32 = { type: "INT32" };
const MICROS = {
  type: "INT64",
  converted_type: "TIMESTAMP_MICROS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
};

const COLUMNS: readonly Column[] = [
  ["time", { ...MICROS, repetition_type: "REQUIRED" }, ({ timeUs }) => BigInt(timeUs)],
  ["time_by", STRING, ({ timeBy }) => timeBy],
  ["clock", STRING, ({ clock }) => clock],
  ["name", STRING, ({ name }) => name],
  ["unit", STRING, ({ unit }) => unit],
  ["value", DOUBLE, ({ number }) => number],
  ["exact", STRING, ({ exact }) => exact],
  ["why_no_value", STRING, ({ whyNoNumber }) => whyNoNumber],
  ["text", STRING, ({ text }) => text],
  ["flag", { type: "BOOLEAN" }, ({ flag }) => flag],
  ["data", { type: "BYTE_ARRAY" }, ({ data }) => data],
  ["content_format", STRING, ({ contentFormat }) => contentFormat],
  ["sum", DOUBLE, ({ sum }) => sum],
  ["update_s", DOUBLE, ({ updateS }) => updateS],
  ["gateway", STRING, ({ gateway }) => gateway],
  ["source", STRING, ({ source }) => source],
  ["lane", STRING, ({ lane }) => lane],
  ["arrived", MICROS, ({ arrivedMs }) => BigInt(arrivedMs) * 1000n],
  ["log_offset", INT64, ({ offset }) => BigInt(offset)],
  ["part", INT32, ({ part }) => part],
  ["epoch", INT64, ({ epoch }) => BigInt(epoch)],
  ["seq", INT64, ({ seq }) => BigInt(seq)],
  ["record", INT32, ({ index }) => index],
  ["boot", INT64, ({ boot }) => BigInt(boot)],
  ["monotonic_us", INT64, ({ monotonicUs }) => BigInt(monotonicUs)],
];

const SCHEMA = [
  { name: "root", num_children: COLUMNS.length },
  ...COLUMNS.map(([name, type]) => Object.assign({ repetition_type: "OPTIONAL", name }, type)),
];

async function parquetOf(rows: readonly Row[], log: string): Promise<Uint8Array> {
  const writer = new ByteWriter();
  await parquetWrite({
    writer,
    schema: SCHEMA as never,
    // PLAIN, because a dictionary takes 0 and -0 for one.
    columnData: COLUMNS.map(([name, , valueOf]) => ({ name, data: rows.map(valueOf), encoding: "PLAIN" as const })),
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    kvMetadata: [
      { key: "paddock.log", value: log },
      { key: "paddock.offsets", value: `${rows[0]!.offset}-${rows.at(-1)!.offset}` },
    ],
  });
  return new Uint8Array(writer.getBuffer());
}
