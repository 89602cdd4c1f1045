import type { Row } from "./row.ts";

/** What decides which of two readings is the newer one. */
export type Age = Pick<Row, "timeUs" | "arrivedMs" | "offset" | "part">;

const TIME_DIGITS = 17;
const OFFSET_DIGITS = 16;
const PART_DIGITS = 6;
/** Times before 1970 become positive, so that their text has the order of the numbers. */
const TIME_BIAS = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * The time by which a reading is new, in Unix µs: its own, or that of its arrival where it claims to come from after
 * that, so that a sensor whose clock was wrong once does not stay the newest for years.
 */
export function newestBy({ timeUs, arrivedMs }: Pick<Age, "timeUs" | "arrivedMs">): number {
  return Math.min(timeUs, arrivedMs * 1000);
}

/** The one order of every view of newest readings: by that time, and at one time the later in the log is newer. */
export function isNewer(reading: Age, than: Age): boolean {
  const ahead = newestBy(reading) - newestBy(than) || reading.offset - than.offset || reading.part - than.part;
  return ahead > 0;
}

/** The same order as text of a fixed width, for who compares texts: the newer one is greater. */
export function orderOf(reading: Age): string {
  const time = (BigInt(newestBy(reading)) + TIME_BIAS).toString().padStart(TIME_DIGITS, "0");
  return `${time}-${offsetText(reading.offset)}-${String(reading.part).padStart(PART_DIGITS, "0")}`;
}

/** A log offset as that text has it. */
export function offsetText(offset: number): string {
  return String(offset).padStart(OFFSET_DIGITS, "0");
}

/** The newest row of each key among those given. */
export function newestOf<Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row> {
  const newest = new Map<Key, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = newest.get(key);
    if (known === undefined || isNewer(row, known)) newest.set(key, row);
  }
  return newest;
}

/** Whose newest reading is meant: a name of a sensor at a gateway. */
export interface Channel {
  /** Gateway's id, 64 hex digits. */
  readonly gateway: string;
  readonly source: string;
  readonly name: string;
}

/**
 * `GATEWAY:SOURCE:NAME`, as keys in Redis end and pages are ordered. `:` and `%` of the source are written `%3A` and
 * `%25`: both a source and a name may have colons, and no two channels may have one key.
 */
export function channelKey({ gateway, source, name }: Channel): string {
  return `${gateway}:${sourceText(source)}:${name}`;
}

/** A source as it stands in a key. */
export function sourceText(source: string): string {
  return ESCAPED.test(source) ? source.replaceAll("%", "%25").replaceAll(":", "%3A") : source;
}

const ESCAPED = /[%:]/u;
