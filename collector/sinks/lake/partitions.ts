import type { Row } from "../row.ts";

/** Where in the lake a row belongs: Hive's layout, `site=S/date=D/measurement=M`. */

const DAY_US = 86_400_000_000;
/** A time further from the arrival than this is no use to find a row by: clocks that were never set, and units mixed up. */
const AHEAD_MAX_US = 2 * DAY_US;
const BEHIND_MAX_US = 400 * DAY_US;

/** Different measurements of one site and day; rows of more lie together in `OTHER`. */
export const MEASUREMENTS_MAX = 1000;
export const OTHER = "_other";

/** What is measured: what stands behind the last `:` or `/` of the name, or the whole name where that is nothing. */
export function measurementOf(name: string): string {
  const at = Math.max(name.lastIndexOf(":"), name.lastIndexOf("/"));
  const last = name.slice(at + 1);
  return last === "" ? name : last;
}

/** Whether a reading's time is no clock's. */
export function isWild({ timeUs, arrivedMs }: Pick<Row, "timeUs" | "arrivedMs">): boolean {
  const arrivedUs = arrivedMs * 1000;
  return timeUs > arrivedUs + AHEAD_MAX_US || timeUs < arrivedUs - BEHIND_MAX_US;
}

/** The UTC day of the reading; of its arrival where its time is wild, so that a bad clock makes no thousand partitions. */
export function dateOf(row: Pick<Row, "timeUs" | "arrivedMs">): string {
  const ms = isWild(row) ? row.arrivedMs : Math.floor(row.timeUs / 1000);
  return new Date(ms).toISOString().slice(0, 10);
}

const PLAIN = /^[A-Za-z0-9_.-]$/u;
/** What readers of Hive's layout take for NULL or for a folder. */
const SPECIAL = /^(null|__hive_default_partition__|\.{1,2})$/iu;
/** File systems take names of 255 bytes; `measurement=` and room for a file's own end come beside it. */
const VALUE_BYTES_MAX = 200;

/** A value as a folder's name: percent-encoded like Hive's, and never one that a reader takes for NULL. */
export function hiveValue(value: string): string {
  if (value === "") return "%20";
  const isSpecial = SPECIAL.test(value);
  let encoded = "";
  for (const character of value.toWellFormed()) {
    const isPlain = PLAIN.test(character) && !(isSpecial && encoded === "");
    const next = isPlain ? character : percent(character);
    if (encoded.length + next.length > VALUE_BYTES_MAX) break;
    encoded += next;
  }
  return encoded;
}

function percent(character: string): string {
  return [...Buffer.from(character, "utf8")]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}

/** Folder of a partition below the lake. */
export function partitionPath(site: string, date: string, measurement: string): string {
  return `site=${hiveValue(site)}/date=${date}/measurement=${hiveValue(measurement)}`;
}

/** The rows of a chunk by partition; `known` says how many measurements each site and day has already. */
export function partitionRows(
  rows: readonly Row[],
  sites: ReadonlyMap<string, string>,
  known: ReadonlyMap<string, ReadonlySet<string>>,
): Map<string, Row[]> {
  const partitions = new Map<string, Row[]>();
  const fresh = new Map<string, Set<string>>();
  const paths = new Map<string, string>();
  for (const row of rows) {
    const site = sites.get(row.gateway) ?? row.gateway;
    const date = dateOf(row);
    const measurement = measurementOf(row.name);
    const key = `${site}\n${date}\n${measurement}`;
    let path = paths.get(key);
    if (path === undefined) {
      path = pathWithin(site, date, measurement, known, fresh);
      paths.set(key, path);
    }
    const kept = partitions.get(path);
    if (kept === undefined) partitions.set(path, [row]);
    else kept.push(row);
  }
  return partitions;
}

function pathWithin(
  site: string,
  date: string,
  measurement: string,
  known: ReadonlyMap<string, ReadonlySet<string>>,
  fresh: Map<string, Set<string>>,
): string {
  const path = partitionPath(site, date, measurement);
  const day = path.slice(0, path.lastIndexOf("/"));
  const before = known.get(day);
  const added = fresh.get(day) ?? new Set();
  fresh.set(day, added);
  if (before?.has(path) === true || added.has(path)) return path;
  if ((before?.size ?? 0) + added.size >= MEASUREMENTS_MAX) return `${day}/measurement=${OTHER}`;
  added.add(path);
  return path;
}
