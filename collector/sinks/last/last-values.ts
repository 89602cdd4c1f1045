import { channelKey, isNewer, newestOf, sourceText, type Channel } from "../newest.ts";
import type { Row } from "../row.ts";
import { readingOf, type LastReading } from "./reading.ts";

/** A reading that nothing from log offset `since` on has overtaken, as far as was looked; null: as far as its tier knows. */
export interface KnownReading {
  readonly reading: LastReading;
  readonly since: number | null;
}

export interface TextFilter {
  readonly text: string;
  /** Whatever begins with it is meant. */
  readonly isPrefix: boolean;
}

/** Which channels are meant; undefined leaves it open. */
export interface LastFilter {
  /** 64 hex digits. */
  readonly gateway?: string | undefined;
  readonly source?: TextFilter | undefined;
  readonly name?: TextFilter | undefined;
}

export interface LastPage {
  readonly values: readonly KnownReading[];
  /** The key behind which the next page begins; null when this is the last. */
  readonly next: string | null;
}

/** What is kept beside the readings. */
export interface LastState {
  /** Log offset from which on all rows were given. */
  readonly since: number;
  readonly evictions: number;
  /** Every reading that was evicted stood before this log offset. */
  readonly evictedTo: number;
}

/** Of one reading: what an object and a place in a map take, and each character of its texts and its key. */
const ENTRY_BYTES = 320;
const CHARACTER_BYTES = 2;
/** What readings may take on average, by that count: long texts and data make fewer of them. */
const MEAN_BYTES_MAX = 1024;

/** Characters of a source and a name together that are taken: a page's end is named in a URL. */
const CHANNEL_CHARACTERS_MAX = 1024;

/** Whether a channel is one that these never hold. */
export function isTooLong({ source, name }: Pick<Channel, "source" | "name">): boolean {
  return source.length + name.length > CHANNEL_CHARACTERS_MAX;
}

interface Entry {
  readonly reading: LastReading;
  readonly since: number;
  readonly bytes: number;
}

const NOTHING_SEEN: LastState = { since: 0, evictions: 0, evictedTo: 0 };

/**
 * The newest reading of each channel, in memory. When there are too many, the one gives way whose newest reading was
 * taken longest ago; a reading that it gets later says from where on it is known to be the newest (`since`).
 */
export class LastValues {
  readonly #entriesMax: number;
  /** The channel whose newest reading was taken longest ago comes first. */
  readonly #entries = new Map<string, Entry>();
  #state = NOTHING_SEEN;
  #bytes = 0;
  /** All keys in order, made when somebody looks. */
  #sorted: readonly string[] | undefined;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What they take, as far as counted. */
  get bytes(): number {
    return this.#bytes;
  }

  get state(): LastState {
    return this.#state;
  }

  /** Whether it has the newest reading of every channel of what it was given, and was given the log from its start. */
  get isWhole(): boolean {
    return this.#state.since === 0 && this.#state.evictions === 0;
  }

  /** Forgets all; rows come from log offset `since` on. */
  clear(since: number): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#sorted = undefined;
    this.#state = { ...NOTHING_SEEN, since };
  }

  /** Takes the rows of the log from offset `from` on, behind those that it was given before. */
  take(from: number, rows: readonly Row[]): void {
    for (const [key, row] of newestOf(rows, channelKey)) {
      const known = this.#entries.get(key);
      if (known !== undefined && !isNewer(row, known.reading)) continue;
      // Of a channel that is not known any more, an earlier reading may have been evicted.
      const since = known?.since ?? (this.#state.evictions === 0 ? this.#state.since : from);
      this.#put(key, readingOf(row), since);
    }
  }

  /**
   * Takes the newest reading of a channel that it does not know from a tier that has seen the log from its start to
   * `upTo`; false when a newer one may have been evicted here that the tier does not know yet.
   */
  fill(reading: LastReading, upTo: number): boolean {
    const { evictedTo, since } = this.#state;
    const key = channelKey(reading);
    if (upTo < Math.max(evictedTo, since) || this.#entries.has(key) || isTooLong(reading)) return false;
    this.#put(key, reading, 0);
    return true;
  }

  get(channel: Channel): KnownReading | undefined {
    return this.#entries.get(channelKey(channel));
  }

  /** Those that are meant, in the order of their keys, behind the key `after`. */
  list({ gateway, source, name }: LastFilter, after: string | null, limit: number): LastPage {
    const keys = (this.#sorted ??= [...this.#entries.keys()].toSorted());
    const prefix = prefixOf({ gateway, source, name });
    const values: KnownReading[] = [];
    let last: string | null = null;
    for (let at = firstFrom(keys, prefix, after); at < keys.length; at++) {
      const key = keys[at]!;
      if (!key.startsWith(prefix)) break;
      const entry = this.#entries.get(key)!;
      if (!fits(entry.reading.source, source) || !fits(entry.reading.name, name)) continue;
      if (values.length === limit) return { values, next: last };
      values.push({ reading: entry.reading, since: entry.since });
      last = key;
    }
    return { values, next: null };
  }

  /** All readings, that which gives way next first. */
  *entries(): Generator<KnownReading & { readonly since: number }> {
    for (const { reading, since } of this.#entries.values()) yield { reading, since };
  }

  /** Takes back what `entries` and `state` said. */
  restore(state: LastState, entries: Iterable<{ readonly reading: LastReading; readonly since: number }>): void {
    this.clear(state.since);
    this.#state = state;
    for (const { reading, since } of entries) this.#put(channelKey(reading), reading, since);
  }

  #put(key: string, reading: LastReading, since: number): void {
    const { value, source, name } = reading;
    const characters = key.length + source.length + name.length + (typeof value === "string" ? value.length : 0);
    const bytes = ENTRY_BYTES + CHARACTER_BYTES * characters;
    this.#remove(key);
    this.#entries.set(key, { reading, since, bytes });
    this.#bytes += bytes;
    if (this.#sorted !== undefined && this.#sorted.length !== this.#entries.size) this.#sorted = undefined;
    while (this.#entries.size > this.#entriesMax || this.#bytes > this.#entriesMax * MEAN_BYTES_MAX) this.#evict();
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }

  #evict(): void {
    const [key, { reading }] = this.#entries.entries().next().value!;
    this.#remove(key);
    this.#sorted = undefined;
    const { since, evictions, evictedTo } = this.#state;
    this.#state = { since, evictions: evictions + 1, evictedTo: Math.max(evictedTo, reading.offset + 1) };
  }
}

/** What the keys of all that is meant begin with. */
function prefixOf({ gateway, source, name }: LastFilter): string {
  if (gateway === undefined) return "";
  if (source === undefined) return `${gateway}:`;
  if (source.isPrefix) return `${gateway}:${sourceText(source.text)}`;
  return `${gateway}:${sourceText(source.text)}:${name?.text ?? ""}`;
}

function fits(text: string, filter: TextFilter | undefined): boolean {
  if (filter === undefined) return true;
  return filter.isPrefix ? text.startsWith(filter.text) : text === filter.text;
}

/** Index of the first key that is behind `after` and not before `prefix`. */
function firstFrom(keys: readonly string[], prefix: string, after: string | null): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = keys[middle]!;
    if (key < prefix || (after !== null && key <= after)) low = middle + 1;
    else high = middle;
  }
  return low;
}
