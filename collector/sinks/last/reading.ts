import type { Age, Channel } from "../newest.ts";
import type { Row } from "../row.ts";

/** `none`: it has a sum alone. */
export type ReadingKind = "number" | "text" | "boolean" | "data" | "none";

/** The newest reading of a channel as every tier gives it: what was measured, when, how good that time is, and where it stands. */
export interface LastReading extends Channel, Age, Pick<Row, "lane" | "epoch" | "seq" | "index"> {
  readonly kind: ReadingKind;
  /** In its kind, data as base64; null for a number that no double holds, and where there is none. */
  readonly value: number | string | boolean | null;
  /** The number's decimal digits where `value` is only the nearest double to them. */
  readonly exact: string | null;
  readonly whyNoNumber: Row["whyNoNumber"];
  readonly contentFormat: string | null;
  readonly unit: string | null;
  readonly sum: number | null;
  readonly updateS: number | null;
  readonly timeBy: Row["timeBy"];
  readonly clock: Row["clock"];
}

/** The reading of a row, which holds nothing of the buffer that the row was made of. */
export function readingOf(row: Row): LastReading {
  const { kind, value } = valueOf(row);
  return {
    gateway: row.gateway,
    source: row.source,
    name: row.name,
    kind,
    // JSON has no minus before a zero.
    value: value === 0 ? 0 : value,
    exact: Object.is(value, -0) ? "-0" : row.exact,
    whyNoNumber: row.whyNoNumber,
    contentFormat: row.contentFormat,
    unit: row.unit,
    sum: row.sum,
    updateS: row.updateS,
    timeUs: row.timeUs,
    timeBy: row.timeBy,
    clock: row.clock,
    arrivedMs: row.arrivedMs,
    offset: row.offset,
    part: row.part,
    lane: row.lane,
    epoch: row.epoch,
    seq: row.seq,
    index: row.index,
  };
}

function valueOf(row: Row): Pick<LastReading, "kind" | "value"> {
  if (row.text !== null) return { kind: "text", value: row.text };
  if (row.flag !== null) return { kind: "boolean", value: row.flag };
  if (row.data !== null) return { kind: "data", value: base64(row.data) };
  const isNumber = row.number !== null || row.exact !== null || row.whyNoNumber !== null;
  return { kind: isNumber ? "number" : "none", value: row.number };
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString("base64");
}

/** The value as text without loss; empty when there is none. */
export function valueText({ kind, value, exact, whyNoNumber }: LastReading): string {
  if (kind !== "number") return value === null ? "" : String(value);
  return exact ?? whyNoNumber ?? String(value);
}

/** The other way: a number of a kind and its text. */
export function numberOfText(text: string): Pick<LastReading, "value" | "exact" | "whyNoNumber"> {
  if (text === "nan" || text === "infinity" || text === "-infinity" || text === "beyond-double") {
    return { value: null, exact: null, whyNoNumber: text };
  }
  const number = Number(text);
  if (!Number.isFinite(number)) return { value: null, exact: text, whyNoNumber: "beyond-double" };
  const isExact = String(number) === text && !Object.is(number, -0);
  return { value: number === 0 ? 0 : number, exact: isExact ? null : text, whyNoNumber: null };
}
