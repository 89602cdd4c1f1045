import { zstdCompressSync } from "node:zlib";
import { ByteWriter, type ColumnSource, ParquetWriter, type ParquetWriteOptions } from "hyparquet-writer";
import { LANES } from "@paddock/wire/lanes.ts";
import type { Row } from "../row.ts";

/** The lake's files: one schema, written out and never guessed, as a first file of whole numbers would cut later fractions. */

type Schema = NonNullable<ParquetWriteOptions["schema"]>;
type Element = Schema[number];

const MICROSECONDS: Omit<Element, "name"> = {
  type: "INT64",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
};
const TEXT: Omit<Element, "name"> = { type: "BYTE_ARRAY", converted_type: "UTF8" };

interface Column extends Omit<Element, "name"> {
  readonly name: string;
  readonly data: (rows: readonly Row[]) => ColumnSource["data"];
  readonly encoding?: ColumnSource["encoding"];
}

function int64(valueOf: (row: Row) => number): Column["data"] {
  return (rows) => {
    const values = new BigInt64Array(rows.length);
    for (let index = 0; index < rows.length; index++) values[index] = BigInt(valueOf(rows[index]!));
    return values;
  };
}

function int32(valueOf: (row: Row) => number): Column["data"] {
  return (rows) => Int32Array.from(rows, valueOf);
}

function each(valueOf: (row: Row) => unknown): Column["data"] {
  return (rows) => rows.map(valueOf);
}

const REQUIRED = { repetition_type: "REQUIRED" } as const;
const OPTIONAL = { repetition_type: "OPTIONAL" } as const;
/** Sorted or growing numbers, of which the differences are small. */
const DELTA = "DELTA_BINARY_PACKED";

/** docs/data.md says what each is. `value` is plain, as a dictionary takes 0 and -0 for one. */
export const COLUMNS: readonly Column[] = [
  { name: "time", ...MICROSECONDS, ...REQUIRED, data: int64(({ timeUs }) => timeUs), encoding: DELTA },
  { name: "time_by", ...TEXT, ...REQUIRED, data: each(({ timeBy }) => timeBy) },
  { name: "clock", ...TEXT, ...REQUIRED, data: each(({ clock }) => clock) },
  { name: "name", ...TEXT, ...REQUIRED, data: each(({ name }) => name) },
  { name: "unit", ...TEXT, ...OPTIONAL, data: each(({ unit }) => unit) },
  { name: "value", type: "DOUBLE", ...OPTIONAL, data: each(({ number }) => number), encoding: "PLAIN" },
  { name: "exact", ...TEXT, ...OPTIONAL, data: each(({ exact }) => exact) },
  { name: "why_no_value", ...TEXT, ...OPTIONAL, data: each(({ whyNoNumber }) => whyNoNumber) },
  { name: "text", ...TEXT, ...OPTIONAL, data: each(({ text }) => text) },
  { name: "flag", type: "BOOLEAN", ...OPTIONAL, data: each(({ flag }) => flag) },
  { name: "data", type: "BYTE_ARRAY", ...OPTIONAL, data: each(({ data }) => data) },
  { name: "content_format", ...TEXT, ...OPTIONAL, data: each(({ contentFormat }) => contentFormat) },
  { name: "sum", type: "DOUBLE", ...OPTIONAL, data: each(({ sum }) => sum), encoding: "PLAIN" },
  { name: "update_s", type: "DOUBLE", ...OPTIONAL, data: each(({ updateS }) => updateS), encoding: "PLAIN" },
  { name: "gateway", ...TEXT, ...REQUIRED, data: each(({ gateway }) => gateway) },
  { name: "source", ...TEXT, ...REQUIRED, data: each(({ source }) => source) },
  { name: "lane", ...TEXT, ...REQUIRED, data: each(({ lane }) => lane) },
  { name: "arrived", ...MICROSECONDS, ...REQUIRED, data: int64(({ arrivedMs }) => arrivedMs * 1000), encoding: DELTA },
  { name: "log_offset", type: "INT64", ...REQUIRED, data: int64(({ offset }) => offset), encoding: DELTA },
  { name: "part", type: "INT32", ...REQUIRED, data: int32(({ part }) => part), encoding: DELTA },
  { name: "epoch", type: "INT64", ...REQUIRED, data: int64(({ epoch }) => epoch), encoding: DELTA },
  { name: "seq", type: "INT64", ...REQUIRED, data: int64(({ seq }) => seq), encoding: DELTA },
  { name: "record", type: "INT32", ...REQUIRED, data: int32(({ index }) => index), encoding: DELTA },
  { name: "boot", type: "INT64", ...REQUIRED, data: int64(({ boot }) => boot), encoding: DELTA },
  { name: "monotonic_us", type: "INT64", ...REQUIRED, data: int64(({ monotonicUs }) => monotonicUs), encoding: DELTA },
];

export const SCHEMA: Schema = [
  { name: "paddock", num_children: COLUMNS.length },
  ...COLUMNS.map(({ data: _data, encoding: _encoding, ...element }) => element),
];

export const ROWS_PER_GROUP = 122_880;

export const COMPRESSION = {
  codec: "ZSTD",
  // The fastest level: its files are a tenth larger, and take a fifth of the time.
  compressors: { ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes) },
} as const;

/** What the footer says for whom has the file alone. */
export interface FileOrigin {
  /** The log's name. */
  readonly log: string;
  readonly version: string;
}

/** One file of rows, which are put in order of time. */
export function encodeRows(rows: readonly Row[], origin: FileOrigin): Uint8Array {
  const sorted = isSorted(rows) ? rows : rows.toSorted(compareRows);
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: SCHEMA,
    ...COMPRESSION,
    createdBy: `paddock ${origin.version}`,
    kvMetadata: footer(rows, origin),
  });
  const columnData = COLUMNS.map((column) => sourceOf(column, column.data(sorted)));
  void parquet.write({ columnData, rowGroupSize: ROWS_PER_GROUP });
  void parquet.finish();
  return writer.getBytes();
}

/** A column's values for the writer. */
export function sourceOf({ name, encoding }: Column, data: ColumnSource["data"]): ColumnSource {
  return encoding === undefined ? { name, data } : { name, data, encoding };
}

function isSorted(rows: readonly Row[]): boolean {
  for (let index = 1; index < rows.length; index++) {
    if (compareRows(rows[index - 1]!, rows[index]!) > 0) return false;
  }
  return true;
}

export function compareRows(left: Row, right: Row): number {
  return left.timeUs - right.timeUs || left.offset - right.offset || left.part - right.part;
}

/** Gateways and the ranges of their chains, so that a row leads to its batch without the lake. */
function footer(rows: readonly Row[], { log, version }: FileOrigin): { key: string; value: string }[] {
  let first = Infinity;
  let last = -1;
  const chains = new Map<string, { gateway: string; lane: string; epoch: number; first: number; last: number }>();
  for (const { offset, gateway, lane, epoch, seq } of rows) {
    first = Math.min(first, offset);
    last = Math.max(last, offset);
    const key = `${gateway} ${LANES.indexOf(lane)} ${epoch}`;
    const chain = chains.get(key);
    if (chain === undefined) chains.set(key, { gateway, lane, epoch, first: seq, last: seq });
    else {
      chain.first = Math.min(chain.first, seq);
      chain.last = Math.max(chain.last, seq);
    }
  }
  return [
    { key: "paddock.version", value: version },
    { key: "paddock.log", value: log },
    { key: "paddock.offsets", value: `${first}-${last}` },
    { key: "paddock.chains", value: JSON.stringify([...chains.values()]) },
  ];
}
