import type { Row } from "../sinks/row.ts";

/** A value of a lake's file: whole numbers of 64 bits and times, which are Unix µs, as bigint. */
export type FieldValue = null | boolean | number | bigint | string | Uint8Array;

/** How a column of the lake's files comes from a row, in the order of the columns. */
export const LAKE_FIELDS: readonly (readonly [column: string, valueOf: (row: Row) => FieldValue])[] = [
  ["time", ({ timeUs }) => BigInt(timeUs)],
  ["time_by", ({ timeBy }) => timeBy],
  ["clock", ({ clock }) => clock],
  ["name", ({ name }) => name],
  ["unit", ({ unit }) => unit],
  ["value", ({ number }) => number],
  ["exact", ({ exact }) => exact],
  ["why_no_value", ({ whyNoNumber }) => whyNoNumber],
  ["text", ({ text }) => text],
  ["flag", ({ flag }) => flag],
  ["data", ({ data }) => data],
  ["content_format", ({ contentFormat }) => contentFormat],
  ["sum", ({ sum }) => sum],
  ["update_s", ({ updateS }) => updateS],
  ["gateway", ({ gateway }) => gateway],
  ["source", ({ source }) => source],
  ["lane", ({ lane }) => lane],
  ["arrived", ({ arrivedMs }) => BigInt(arrivedMs) * 1000n],
  ["log_offset", ({ offset }) => BigInt(offset)],
  ["part", ({ part }) => part],
  ["epoch", ({ epoch }) => BigInt(epoch)],
  ["seq", ({ seq }) => BigInt(seq)],
  ["record", ({ index }) => index],
  ["boot", ({ boot }) => BigInt(boot)],
  ["monotonic_us", ({ monotonicUs }) => BigInt(monotonicUs)],
];
