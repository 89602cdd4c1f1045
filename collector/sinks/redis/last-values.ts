import { type LastReading, numberOfText, type ReadingKind, readingOf, valueText } from "../last/reading.ts";
import { channelKey, newestOf, orderOf } from "../newest.ts";
import { rfc3339 } from "../rfc3339.ts";
import type { Row } from "../row.ts";

/** The newest reading of one channel as fields of a Redis hash. */
export interface LastValue {
  /** As the hash's key ends. */
  readonly channel: string;
  /** Text that is greater for a newer one: numbers in Redis' scripts are doubles. */
  readonly order: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The newest of each channel among `rows`. */
export function lastValues(rows: readonly Row[]): Map<string, LastValue> {
  const newest = newestOf(rows, channelKey);
  return new Map(
    [...newest].map(([channel, row]) => [channel, { channel, order: orderOf(row), fields: fieldsOf(readingOf(row)) }]),
  );
}

/** A hash always has all fields, so that what an older reading had never stands beside a newer one. */
function fieldsOf(reading: LastReading): Record<string, string> {
  const { gateway, source, name, kind, timeUs, timeBy, clock, arrivedMs, offset, part } = reading;
  return {
    gateway,
    source,
    name,
    kind,
    value: valueText(reading),
    unit: reading.unit ?? "",
    time: rfc3339(timeUs),
    time_us: String(timeUs),
    time_by: timeBy,
    clock,
    arrived: new Date(arrivedMs).toISOString(),
    sum: textOf(reading.sum),
    update_s: textOf(reading.updateS),
    content_format: reading.contentFormat ?? "",
    log_offset: String(offset),
    part: String(part),
    lane: reading.lane,
    epoch: String(reading.epoch),
    seq: String(reading.seq),
    record: String(reading.index),
  };
}

function textOf(number: number | null): string {
  return number === null ? "" : String(number);
}

/** The reading of such a hash; undefined when it is none that this program wrote. */
export function readingOfFields(fields: Readonly<Record<string, string>>): LastReading | undefined {
  const text = (name: string): string => fields[name] ?? "";
  const number = (name: string): number => (text(name) === "" ? Number.NaN : Number(text(name)));
  const orNull = (name: string): number | null => (text(name) === "" ? null : number(name));
  const kind = KINDS.find((one) => one === text("kind"));
  const places = ["time_us", "log_offset", "part", "epoch", "seq", "record"].map(number);
  const arrivedMs = Date.parse(text("arrived"));
  if (kind === undefined || ![...places, arrivedMs].every((place) => Number.isSafeInteger(place))) return undefined;
  const [timeUs, offset, part, epoch, seq, index] = places as [number, number, number, number, number, number];
  return {
    gateway: text("gateway"),
    source: text("source"),
    name: text("name"),
    kind,
    ...valueOfText(kind, text("value")),
    contentFormat: text("content_format") || null,
    unit: text("unit") || null,
    sum: orNull("sum"),
    updateS: orNull("update_s"),
    timeUs,
    timeBy: text("time_by") as LastReading["timeBy"],
    clock: text("clock") as LastReading["clock"],
    arrivedMs,
    offset,
    part,
    lane: text("lane") as LastReading["lane"],
    epoch,
    seq,
    index,
  };
}

const KINDS: readonly ReadingKind[] = ["number", "text", "boolean", "data", "none"];

function valueOfText(kind: ReadingKind, text: string): Pick<LastReading, "value" | "exact" | "whyNoNumber"> {
  if (kind === "number") return numberOfText(text);
  const value = kind === "none" ? null : kind === "boolean" ? text === "true" : text;
  return { value, exact: null, whyNoNumber: null };
}
