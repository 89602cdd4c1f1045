import type { KeyValueDatabase } from "./database.ts";
import { KEY_SPACES, sideKey, spaceKey } from "./keyspace.ts";
import { entriesOf } from "./tolerant-reads.ts";
import type { SideEntry } from "./types.ts";
import type { WriteGroup } from "./write-group.ts";

/** Sizes of this many entries stay in memory: some two megabytes. Who writes an entry often does not look it up. */
const SIZES_IN_MEMORY = 16_384;
const ENTRY_BYTES = 16;

/** What the side entries of one write change. */
export interface SidePlan {
  readonly puts: readonly { readonly name: string; readonly key: Buffer; readonly value: Uint8Array | null }[];
  /** Bytes of keys and values more than before; negative when it frees some. */
  readonly growth: number;
  /** Bytes that are written in order to grow. What does not grow needs no room. */
  readonly written: number;
}

/**
 * Counts the bytes of side entries. The total is written with every group, so that opening a store does not look at
 * entries that its history left behind; it counts only while its number is that of the newest write, as a program that does not
 * know of it may have written since.
 */
export class SideBook {
  readonly #database: KeyValueDatabase;
  readonly #sizes = new Map<string, number>();
  #total = 0;

  constructor(database: KeyValueDatabase) {
    this.#database = database;
  }

  /** Bytes of all side entries. */
  get total(): number {
    return this.#total;
  }

  /** Reads the total, or counts where it is missing or is not of write number `serial`. */
  async open(serial: number): Promise<void> {
    const stored = await this.#database.get(TOTAL_KEY);
    const known = stored === undefined ? undefined : decodeTotal(stored);
    if (known?.serial === serial) {
      this.#total = known.total;
      return;
    }
    this.#total = 0;
    for await (const [key, value] of entriesOf(this.#database, KEY_SPACES.side))
      this.#total += key.length + value.length;
  }

  /** Works out what entries change, on top of what the group has already. Throws RangeError for a name that is too long. */
  async plan(group: WriteGroup, side: readonly SideEntry[]): Promise<SidePlan> {
    const puts = side.map(({ key: name, value }) => ({ name, key: sideKey(name), value }));
    const now = new Map<string, number>();
    let growth = 0;
    let written = 0;
    for (const { name, key, value } of puts) {
      const bytes = sizeOf(key, value ?? undefined);
      growth += bytes - (now.get(name) ?? (await this.#size(group, name, key)));
      written += bytes;
      now.set(name, bytes);
    }
    return { puts, growth, written: growth > 0 ? written : 0 };
  }

  /** Makes a plan part of the group. */
  apply(group: WriteGroup, { puts, growth }: SidePlan): void {
    this.#total += growth;
    for (const { name, key, value } of puts) {
      if (value === null) group.delete(key);
      else group.put(key, value);
      this.#remember(name, sizeOf(key, value ?? undefined));
    }
  }

  /** Adds the total to a group that is complete. `serial`: its number. */
  complete(group: WriteGroup, serial: number): void {
    group.put(TOTAL_KEY, encodeTotal(this.#total, serial));
  }

  async #size(group: WriteGroup, name: string, key: Buffer): Promise<number> {
    const known = this.#sizes.get(name);
    if (known !== undefined) return known;
    return sizeOf(key, group.pending(key) ?? (await this.#database.get(key)));
  }

  #remember(name: string, bytes: number): void {
    this.#sizes.delete(name);
    this.#sizes.set(name, bytes);
    if (this.#sizes.size <= SIZES_IN_MEMORY) return;
    const [oldest] = this.#sizes.keys();
    this.#sizes.delete(oldest!);
  }
}

const TOTAL_KEY = spaceKey(KEY_SPACES.sideTotal);

function sizeOf(key: Uint8Array, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : key.length + value.length;
}

function encodeTotal(total: number, serial: number): Buffer {
  const bytes = Buffer.allocUnsafe(ENTRY_BYTES);
  bytes.writeBigUInt64BE(BigInt(total), 0);
  bytes.writeBigUInt64BE(BigInt(serial), 8);
  return bytes;
}

function decodeTotal(bytes: Uint8Array): { readonly total: number; readonly serial: number } | undefined {
  if (bytes.length !== ENTRY_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const [total, serial] = [Number(view.readBigUInt64BE(0)), Number(view.readBigUInt64BE(8))];
  return Number.isSafeInteger(total) && Number.isSafeInteger(serial) ? { total, serial } : undefined;
}
