import type { ColumnSource, ParquetWriteOptions } from "hyparquet-writer";
import type { Row } from "../row.ts";

/** A value of a lake's file: whole numbers of 64 bits and times, which are Unix µs, as bigint. */
export type FieldValue = null | boolean | number | bigint | string | Uint8Array;

type Element = NonNullable<ParquetWriteOptions["schema"]>[number];

/** A column of the lake's files: its type, how it is written, and how its value comes from a row. */
export interface Column extends Element {
  readonly encoding?: ColumnSource["encoding"];
  readonly valueOf: (row: Row) => FieldValue;
}

const MICROSECONDS = {
  type: "INT64",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
} as const;
const TEXT = { type: "BYTE_ARRAY", converted_type: "UTF8" } as const;
const REQUIRED = { repetition_type: "REQUIRED" } as const;
const OPTIONAL = { repetition_type: "OPTIONAL" } as const;
/** Sorted or growing numbers, of which the differences are small. */
const WHOLE = { ...REQUIRED, encoding: "DELTA_BINARY_PACKED" } as const;
/** A dictionary takes 0 and -0 for one. */
const DOUBLE = { ...OPTIONAL, type: "DOUBLE", encoding: "PLAIN" } as const;

/**
 * Every column with a type of its own, in the order of the files: docs/data.md says what each is. A type that is guessed
 * from a first file of whole numbers would cut later fractions.
 */
export const COLUMNS: readonly Column[] = [
  { name: "time", ...MICROSECONDS, ...WHOLE, valueOf: ({ timeUs }) => BigInt(timeUs) },
  { name: "time_by", ...TEXT, ...REQUIRED, valueOf: ({ timeBy }) => timeBy },
  { name: "clock", ...TEXT, ...REQUIRED, valueOf: ({ clock }) => clock },
  { name: "name", ...TEXT, ...REQUIRED, valueOf: ({ name }) => name },
  { name: "unit", ...TEXT, ...OPTIONAL, valueOf: ({ unit }) => unit },
  { name: "value", ...DOUBLE, valueOf: ({ number }) => number },
  { name: "exact", ...TEXT, ...OPTIONAL, valueOf: ({ exact }) => exact },
  { name: "why_no_value", ...TEXT, ...OPTIONAL, valueOf: ({ whyNoNumber }) => whyNoNumber },
  { name: "text", ...TEXT, ...OPTIONAL, valueOf: ({ text }) => text },
  { name: "flag", type: "BOOLEAN", ...OPTIONAL, valueOf: ({ flag }) => flag },
  { name: "data", type: "BYTE_ARRAY", ...OPTIONAL, valueOf: ({ data }) => data },
  { name: "content_format", ...TEXT, ...OPTIONAL, valueOf: ({ contentFormat }) => contentFormat },
  { name: "sum", ...DOUBLE, valueOf: ({ sum }) => sum },
  { name: "update_s", ...DOUBLE, valueOf: ({ updateS }) => updateS },
  { name: "gateway", ...TEXT, ...REQUIRED, valueOf: ({ gateway }) => gateway },
  { name: "source", ...TEXT, ...REQUIRED, valueOf: ({ source }) => source },
  { name: "lane", ...TEXT, ...REQUIRED, valueOf: ({ lane }) => lane },
  { name: "arrived", ...MICROSECONDS, ...WHOLE, valueOf: ({ arrivedMs }) => BigInt(arrivedMs) * 1000n },
  { name: "log_offset", type: "INT64", ...WHOLE, valueOf: ({ offset }) => BigInt(offset) },
  { name: "part", type: "INT32", ...WHOLE, valueOf: ({ part }) => part },
  { name: "epoch", type: "INT64", ...WHOLE, valueOf: ({ epoch }) => BigInt(epoch) },
  { name: "seq", type: "INT64", ...WHOLE, valueOf: ({ seq }) => BigInt(seq) },
  { name: "record", type: "INT32", ...WHOLE, valueOf: ({ index }) => index },
  { name: "boot", type: "INT64", ...WHOLE, valueOf: ({ boot }) => BigInt(boot) },
  { name: "monotonic_us", type: "INT64", ...WHOLE, valueOf: ({ monotonicUs }) => BigInt(monotonicUs) },
];
