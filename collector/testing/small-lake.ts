import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { LAKE_FIELDS } from "../query/lake-fields.ts";
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
  {
    log = "0".repeat(32),
    name = "part-0",
    date = dayOf(rows[0]!),
    measurement = rows[0]!.name.split(/[:/]/u).at(-1)!,
  } = {},
): Promise<string> {
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

/** DuckDB takes a folder called null for no value, whatever the case, unless a letter of it is encoded. */
function hive(value: string): string {
  const text = encodeURIComponent(value).replaceAll("*", "%2A");
  return /^null$/iu.test(value) ? `%${value.charCodeAt(0).toString(16).toUpperCase()}${value.slice(1)}` : text;
}

const STRING = { type: "BYTE_ARRAY", converted_type: "UTF8" };
const DOUBLE = { type: "DOUBLE" };
const INT64 = { type: "INT64" };
const INT32 = { type: "INT32" };
const MICROS = {
  type: "INT64",
  converted_type: "TIMESTAMP_MICROS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
};

const BOOLEAN = { type: "BOOLEAN" };
const BYTES = { type: "BYTE_ARRAY" };

/** Types of columns that are no text. */
const TYPES: Readonly<Record<string, object>> = {
  time: { ...MICROS, repetition_type: "REQUIRED" },
  value: DOUBLE,
  flag: BOOLEAN,
  data: BYTES,
  sum: DOUBLE,
  update_s: DOUBLE,
  arrived: MICROS,
  log_offset: INT64,
  part: INT32,
  epoch: INT64,
  seq: INT64,
  record: INT32,
  boot: INT64,
  monotonic_us: INT64,
};

const SCHEMA = [
  { name: "root", num_children: LAKE_FIELDS.length },
  ...LAKE_FIELDS.map(([name]) => Object.assign({ repetition_type: "OPTIONAL", name }, TYPES[name] ?? STRING)),
];

async function parquetOf(rows: readonly Row[], log: string): Promise<Uint8Array> {
  const writer = new ByteWriter();
  await parquetWrite({
    writer,
    schema: SCHEMA as never,
    // PLAIN, because a dictionary takes 0 and -0 for one.
    columnData: LAKE_FIELDS.map(([name, valueOf]) => ({ name, data: rows.map(valueOf), encoding: "PLAIN" as const })),
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    kvMetadata: [
      { key: "paddock.log", value: log },
      { key: "paddock.offsets", value: `${rows[0]!.offset}-${rows.at(-1)!.offset}` },
    ],
  });
  return new Uint8Array(writer.getBuffer());
}
