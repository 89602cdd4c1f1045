import { Level } from "level";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** Half-open or closed bounds of keys, compared bytewise. */
export interface KeyRange {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
  /** Descending. */
  readonly reverse?: boolean;
}

export type DatabaseOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export type DatabaseEntry = [key: Uint8Array, value: Uint8Array];

/**
 * What the chain store needs from an ordered key-value store, and the seam for memory and for faulty disks in tests.
 * `batch` is atomic; with `sync` it returns after the data reached the disk.
 */
export interface KeyValueDatabase {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  batch(operations: DatabaseOperation[], options: { readonly sync: boolean }): Promise<void>;
  /**
   * The first entries of a range: at most `limit`, and not many more bytes than `maxBytes`, but at least one when there
   * is one. An empty page means the end of the range; a short one does not.
   */
  page(range: KeyRange, limit: number, maxBytes: number): Promise<DatabaseEntry[]>;
  /** Frees the space of what was deleted in a range; absent where deleting frees it at once. */
  compactRange?(first: Uint8Array, last: Uint8Array): Promise<void>;
}

/** The part of abstract-level that an adapter uses; both `level` and `memory-level` have it. */
export interface LevelLike {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  batch(operations: DatabaseOperation[], options: { sync: boolean }): Promise<void>;
  iterator(options: KeyRange & { limit: number; highWaterMarkBytes: number }): {
    nextv(size: number): Promise<DatabaseEntry[]>;
    close(): Promise<void>;
  };
  compactRange?(first: Uint8Array, last: Uint8Array): Promise<void>;
}

/** Wraps an abstract-level database whose key and value encodings are `view`. */
export function adaptLevel(level: LevelLike): KeyValueDatabase {
  const database: KeyValueDatabase = {
    open: () => level.open(),
    close: () => level.close(),
    get: (key) => level.get(key).catch(rethrowRead),
    getMany: (keys) => level.getMany(keys).catch(rethrowRead),
    batch: (operations, options) => level.batch(operations, options),
    async page(range, limit, maxBytes) {
      const iterator = level.iterator({ ...range, limit, highWaterMarkBytes: maxBytes });
      try {
        return await iterator.nextv(limit).catch(rethrowRead);
      } finally {
        await iterator.close();
      }
    },
  };
  if (level.compactRange !== undefined) {
    database.compactRange = (first, last) => level.compactRange!(first, last);
  }
  return database;
}

/**
 * LevelDB in a directory. Write buffer (4 MiB) and file size (2 MiB) stay at their defaults: larger ones raised write
 * amplification from 3.4 to 5.4 in a consumed window. Snappy stays on: tables of SenML frames shrink to about a
 * quarter, which spares flash, for 20 to 50 µs of a background thread per 64 KiB; what does not compress is stored as
 * it is.
 */
export function levelDatabase(
  directory: string,
  options: { readonly createIfMissing: boolean } = { createIfMissing: true },
): KeyValueDatabase {
  const level = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: options.createIfMissing,
  });
  return adaptLevel(level);
}

/** Makes a LevelDB of whatever tables lie in a directory. */
export function repairLevel(directory: string): Promise<void> {
  return (Level as unknown as { repair(directory: string): Promise<void> }).repair(directory);
}

export const OUT_OF_ROOM_REMEDY = "Make a few MiB of room on its file system, then start again.";

/** What LevelDB says of a table that is there and is none, or that it needs and is not there: no retry will help. */
const LASTING = /corrupt|invalid argument|no such file/i;

/** A read error in our own words. Throws PaddockError: STORE_DAMAGED when what is on disk is bad, else STORE_READ_FAILED. */
function rethrowRead(error: unknown): never {
  const said = messageOf(error);
  if ((error as { code?: unknown }).code === "LEVEL_DATABASE_NOT_OPEN") throw error;
  const code = LASTING.test(said) ? "STORE_DAMAGED" : "STORE_READ_FAILED";
  throw new PaddockError(code, `A read of the store failed: ${said}.`, { cause: error });
}

/** strerror(3) of ENOSPC and EDQUOT, which is all that LevelDB keeps of them. */
const OUT_OF_ROOM = /no space left on device|disk quota exceeded/i;

/**
 * Opens and says in our own words why not. Throws PaddockError STORE_LOCKED, STORE_DAMAGED, DATA_DIR_UNUSABLE without room
 * for what an opening writes, or STORE_READ_FAILED for a disk that may answer the next time.
 */
export async function openDatabase(database: KeyValueDatabase, name: string): Promise<void> {
  try {
    await database.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const code = (cause as { code?: unknown }).code;
    if (code === "LEVEL_LOCKED") {
      throw new PaddockError("STORE_LOCKED", `The store in ${name} is held open by another process.`, { cause });
    }
    const said = messageOf(cause);
    if (OUT_OF_ROOM.test(said)) {
      throw new PaddockError("DATA_DIR_UNUSABLE", `The store in ${name} cannot be opened: ${said}.`, {
        cause,
        remedy: OUT_OF_ROOM_REMEDY,
      });
    }
    const passing = code === "LEVEL_IO_ERROR" && !LASTING.test(said);
    throw new PaddockError(
      passing ? "STORE_READ_FAILED" : "STORE_DAMAGED",
      `The store in ${name} cannot be opened: ${said}.`,
      { cause },
    );
  }
}
