import { createHash } from "node:crypto";
import type { Row } from "../row.ts";

const DAY_MS = 86_400_000;
/** Further than this from its arrival a time is wild, and its row goes to the day of its arrival. */
const AHEAD_MS = 2 * DAY_MS;
const BEHIND_MS = 400 * DAY_MS;

/** Measurements of one site and day that get a folder of their own; the rows of all others share one. */
export const MEASUREMENTS_MAX = 1000;
export const OTHER = "_other";

/** Longest name of a folder's value: file systems allow 255 bytes for the whole name. */
const VALUE_MAX = 200;
/** Readers take these for no value, or for another folder. */
const NO_VALUE = /^(?:null|__hive_default_partition__|\.{1,2})$/iu;

/** What is measured: behind the last `:` or `/` of a SenML name, or the whole name where that is empty. */
export function measurementOf(name: string): string {
  const tail = name.slice(Math.max(name.lastIndexOf(":"), name.lastIndexOf("/")) + 1);
  return tail === "" ? name : tail;
}

/** Days since 1970 of the partition of a row: of its time, or of its arrival when its time is wild. */
export function dayOf({ timeUs, arrivedMs }: Pick<Row, "timeUs" | "arrivedMs">): number {
  const timeMs = timeUs / 1000;
  const isWild = timeMs > arrivedMs + AHEAD_MS || timeMs < arrivedMs - BEHIND_MS;
  return Math.floor((isWild ? arrivedMs : timeMs) / DAY_MS);
}

/** `YYYY-MM-DD` of a day since 1970. */
export function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/**
 * A value in the name of a folder: what is not a letter, digit, `_`, `.` or `-` is percent-encoded, and so is the first
 * character of what readers would take for no value. A long one is cut, with a hash of the whole behind it.
 */
export function hiveValue(value: string): string {
  if (value === "") return "%28none%29";
  let text = "";
  for (const byte of Buffer.from(value, "utf8")) {
    const character = String.fromCharCode(byte);
    text += /[\w.-]/u.test(character) ? character : percent(byte);
  }
  if (NO_VALUE.test(value)) text = percent(text.charCodeAt(0)) + text.slice(1);
  if (text.length <= VALUE_MAX) return text;
  const hash = createHash("sha256").update(value).digest("hex").slice(0, 16);
  return `${text.slice(0, VALUE_MAX - 20).replace(/%.?$/u, "")}_${hash}`;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Sorts rows into partitions, and keeps count of the measurements that each site has on each day. */
export class Partitioner {
  /** Folders of measurements, by `site=…/date=…`. */
  readonly #known = new Map<string, Set<string>>();
  readonly #values = new Map<string, string>();

  /** `files` are those of the lake, by their paths in it. */
  constructor(files: Iterable<string>) {
    for (const file of files) {
      const [site, date, measurement] = file.split("/");
      this.#measurements(`${site}/${date}`).add(measurement!);
    }
  }

  /** The rows of each partition, by the path of its folder in the lake. */
  sort(rows: readonly Row[], siteOf: (gateway: string) => string): Map<string, Row[]> {
    const sorted = new Map<string, Row[]>();
    let last:
      | { readonly gateway: string; readonly name: string; readonly day: number; readonly into: Row[] }
      | undefined;
    for (const row of rows) {
      const day = dayOf(row);
      if (last === undefined || last.gateway !== row.gateway || last.name !== row.name || last.day !== day) {
        const folder = this.#folder(siteOf(row.gateway), day, measurementOf(row.name));
        const into = sorted.get(folder) ?? [];
        sorted.set(folder, into);
        last = { gateway: row.gateway, name: row.name, day, into };
      }
      last.into.push(row);
    }
    return sorted;
  }

  #folder(site: string, day: number, measurement: string): string {
    const parent = `site=${this.#value(site)}/date=${dateOf(day)}`;
    const known = this.#measurements(parent);
    const own = `measurement=${this.#value(measurement)}`;
    if (!known.has(own) && known.size >= MEASUREMENTS_MAX) return `${parent}/measurement=${OTHER}`;
    known.add(own);
    return `${parent}/${own}`;
  }

  #value(value: string): string {
    let text = this.#values.get(value);
    if (text === undefined) {
      if (this.#values.size > 20 * MEASUREMENTS_MAX) this.#values.clear();
      text = hiveValue(value);
      this.#values.set(value, text);
    }
    return text;
  }

  #measurements(parent: string): Set<string> {
    const known = this.#known.get(parent) ?? new Set();
    this.#known.set(parent, known);
    return known;
  }
}
