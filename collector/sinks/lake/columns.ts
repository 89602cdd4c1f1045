import { zstdCompressSync } from "node:zlib";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { Row } from "../row.ts";

type Schema = ConstructorParameters<typeof ParquetWriter>[0]["schema"];
type Source = Parameters<ParquetWriter["write"]>[0]["columnData"][number];

interface Column {
  readonly name: string;
  readonly type: Readonly<Record<string, unknown>>;
  readonly isOptional?: boolean;
  readonly encoding?: Source["encoding"];
  readonly read: (rows: readonly Row[]) => Source["data"];
}

const STRING = { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } };
const DOUBLE = { type: "DOUBLE" };
const INT64 = { type: "INT64" };
const MICROS = {
  type: "INT64",
  converted_type: "TIMESTAMP_MICROS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
};

const plain = (name: string, type: Column["type"], of: (row: Row) => unknown): Column => ({
  name,
  type,
  read: (rows) => rows.map(of),
});
const optional = (name: string, type: Column["type"], of: (row: Row) => unknown): Column => ({
  ...plain(name, type, of),
  isOptional: true,
});
/** As it is: a dictionary takes 0 and -0 for one. */
const double = (name: string, of: (row: Row) => number | null): Column => ({
  ...optional(name, DOUBLE, of),
  encoding: "PLAIN",
});
/** Differences: most of them are small. Not BYTE_STREAM_SPLIT, which DuckDB does not read here. */
const whole = (name: string, type: Column["type"], of: (row: Row) => bigint): Column => ({
  name,
  type,
  encoding: "DELTA_BINARY_PACKED",
  read: (rows) => {
    const values = new BigInt64Array(rows.length);
    for (let index = 0; index < rows.length; index++) values[index] = of(rows[index]!);
    return values;
  },
});

/** Every column with a type of its own: none is guessed from what stands in a file. */
const COLUMNS: readonly Column[] = [
  whole("time", MICROS, ({ timeUs }) => BigInt(timeUs)),
  plain("time_by", STRING, ({ timeBy }) => timeBy),
  plain("clock", STRING, ({ clock }) => clock),
  plain("name", STRING, ({ name }) => name),
  optional("unit", STRING, ({ unit }) => unit),
  double("value", ({ number }) => number),
  optional("exact", STRING, ({ exact }) => exact),
  optional("why_no_value", STRING, ({ whyNoNumber }) => whyNoNumber),
  optional("text", STRING, ({ text }) => text),
  optional("flag", { type: "BOOLEAN" }, ({ flag }) => flag),
  optional("data", { type: "BYTE_ARRAY" }, ({ data }) => data),
  optional("content_format", STRING, ({ contentFormat }) => contentFormat),
  double("sum", ({ sum }) => sum),
  double("update_s", ({ updateS }) => updateS),
  plain("gateway", STRING, ({ gateway }) => gateway),
  plain("source", STRING, ({ source }) => source),
  plain("lane", STRING, ({ lane }) => lane),
  whole("arrived", MICROS, ({ arrivedMs }) => BigInt(Math.round(arrivedMs * 1000))),
  whole("log_offset", INT64, ({ offset }) => BigInt(offset)),
  { ...plain("part", { type: "INT32" }, ({ part }) => part), encoding: "DELTA_BINARY_PACKED" },
  whole("epoch", INT64, ({ epoch }) => BigInt(epoch)),
  whole("seq", INT64, ({ seq }) => BigInt(seq)),
  { ...plain("record", { type: "INT32" }, ({ index }) => index), encoding: "DELTA_BINARY_PACKED" },
  whole("boot", INT64, ({ boot }) => BigInt(boot)),
  whole("monotonic_us", INT64, ({ monotonicUs }) => BigInt(monotonicUs)),
];

const SCHEMA = [
  { name: "root", num_children: COLUMNS.length },
  ...COLUMNS.map(({ name, type, isOptional }) =>
    Object.assign({ name, repetition_type: isOptional === true ? "OPTIONAL" : "REQUIRED" }, type),
  ),
] as unknown as Schema;

const GROUP_ROWS = 122_880;

/** Order of rows in a file: time, then where they stand in the log. */
export function byTime(left: Row, right: Row): number {
  return left.timeUs - right.timeUs || left.offset - right.offset || left.part - right.part;
}

/** A Parquet file of rows in the order given, with notes in its footer. */
export function parquetOf(rows: readonly Row[], notes: Readonly<Record<string, string>>): Uint8Array {
  const writer = new ByteWriter(4096);
  const parquet = new ParquetWriter({
    writer,
    schema: SCHEMA,
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
    kvMetadata: Object.entries(notes).map(([key, value]) => ({ key, value })),
    createdBy: "paddock",
  });
  void parquet.write({
    columnData: COLUMNS.map(({ name, encoding, ...column }) => ({
      name,
      data: column.read(rows),
      ...(encoding === undefined ? {} : { encoding }),
    })),
    rowGroupSize: GROUP_ROWS,
  });
  void parquet.finish();
  return writer.getBytes();
}
