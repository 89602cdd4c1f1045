import { rfc3339 } from "../rfc3339.ts";
import type { Row } from "../row.ts";

/** The newest reading of one channel, which is a sensor's name at a gateway, as fields of a Redis hash. */
export interface LastValue {
  /** `GATEWAY:SOURCE:NAME`, as the hash's key ends. */
  readonly channel: string;
  /** Text of a fixed width that grows with time and, at one time, with the place in the log: the newer one is greater. */
  readonly order: string;
  readonly fields: Readonly<Record<string, string>>;
}

const TIME_DIGITS = 17;
const OFFSET_DIGITS = 16;
const PART_DIGITS = 6;
/** Times before 1970 become positive, so that their text has the order of the numbers. */
const TIME_BIAS = BigInt(Number.MAX_SAFE_INTEGER);

/** The newest of each channel among `rows`. Numbers in Redis' scripts are doubles, so that order is text. */
export function lastValues(rows: readonly Row[]): Map<string, LastValue> {
  const newest = new Map<string, Row>();
  for (const row of rows) {
    const channel = `${row.gateway}:${row.source}:${row.name}`;
    const known = newest.get(channel);
    // Later in the log is later at the same time.
    if (known === undefined || row.timeUs >= known.timeUs) newest.set(channel, row);
  }
  return new Map([...newest].map(([channel, row]) => [channel, lastValueOf(channel, row)]));
}

function lastValueOf(channel: string, row: Row): LastValue {
  const { kind, value } = shownValue(row);
  const fields: Record<string, string> = {
    gateway: row.gateway,
    source: row.source,
    name: row.name,
    kind,
    value,
    unit: row.unit ?? "",
    time: rfc3339(row.timeUs),
    time_by: row.timeBy,
    clock: row.clock,
    arrived: new Date(row.arrivedMs).toISOString(),
    sum: row.sum === null ? "" : String(row.sum),
    log_offset: String(row.offset),
    part: String(row.part),
  };
  return { channel, order: orderOf(row), fields };
}

/** A hash always has all fields, so that what an older reading had never stands beside a newer one. */
function shownValue(row: Row): { kind: string; value: string } {
  if (row.text !== null) return { kind: "text", value: row.text };
  if (row.flag !== null) return { kind: "boolean", value: String(row.flag) };
  if (row.data !== null) return { kind: "data", value: Buffer.from(row.data).toString("base64") };
  if (row.exact !== null) return { kind: "number", value: row.exact };
  if (row.number !== null) return { kind: "number", value: Object.is(row.number, -0) ? "-0" : String(row.number) };
  return row.whyNoNumber === null ? { kind: "none", value: "" } : { kind: "number", value: row.whyNoNumber };
}

export function orderOf({ timeUs, offset, part }: Pick<Row, "timeUs" | "offset" | "part">): string {
  const time = (BigInt(timeUs) + TIME_BIAS).toString().padStart(TIME_DIGITS, "0");
  return `${time}-${String(offset).padStart(OFFSET_DIGITS, "0")}-${String(part).padStart(PART_DIGITS, "0")}`;
}
