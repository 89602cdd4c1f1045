import { PaddockError } from "@paddock/base/errors.ts";
import { prefixRange, type KeySpace } from "./keyspace.ts";
import type { DatabaseEntry, KeyRange, KeyValueDatabase } from "./database.ts";

/** Whether a read failed for what is on the disk, which stays so, and not for a disk that may answer the next time. */
export function isDamage(error: unknown): boolean {
  return error instanceof PaddockError && error.code === "STORE_DAMAGED";
}

/** The values of some keys; one that lies in a damaged block is as one that is not there. */
export async function valuesOf(database: KeyValueDatabase, keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
  try {
    return await database.getMany(keys);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return Promise.all(keys.map((key) => valueOf(database, key)));
  }
}

export async function valueOf(database: KeyValueDatabase, key: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await database.get(key);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** A page, or undefined when a damaged block lies in it. */
export async function pageOf(
  database: KeyValueDatabase,
  range: KeyRange,
  limit: number,
  maxBytes: number,
): Promise<DatabaseEntry[] | undefined> {
  try {
    return await database.page(range, limit, maxBytes);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Every entry of a key space, or of a part of it, in order. Throws PaddockError like `page`. */
export async function* entriesOf(
  database: KeyValueDatabase,
  space: KeySpace,
  prefix?: Uint8Array,
): AsyncGenerator<DatabaseEntry> {
  const range = prefixRange(space, prefix);
  let bounds: KeyRange = range;
  for (;;) {
    const page = await database.page(bounds, 1000, 1 << 20);
    if (page.length === 0) return;
    yield* page;
    bounds = { gt: page.at(-1)![0], lt: range.lt };
  }
}
