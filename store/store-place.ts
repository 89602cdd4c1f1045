import { resolve } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { levelDatabase, openDatabase, type KeyValueDatabase } from "./database.ts";
import { filesIn, privateCopy } from "./private-copy.ts";

/** An open database and what letting it go takes. */
export interface StorePlace {
  readonly database: KeyValueDatabase;
  close(): Promise<void>;
}

export interface PlaceOptions {
  readonly directory?: string;
  readonly database?: KeyValueDatabase;
  readonly readOnly?: boolean;
}

/** Generations are numbered so that a damaged one can be set aside and the next one begun. */
const GENERATION = "generation-000001";

/**
 * Generations that this process has open. Closing any handle of a file gives up all of a process's locks on it (POSIX),
 * so a copy, which shares the lock's file, must not be opened beside one of them.
 */
const openHere = new Set<string>();

/** Opens the database of a store. Throws PaddockError STORE_LOCKED, STORE_DAMAGED or STORE_READ_FAILED. */
export async function openPlace(options: PlaceOptions): Promise<StorePlace> {
  const { directory, database } = options;
  if (database !== undefined) {
    await openDatabase(database, "memory");
    return { database, close: () => database.close() };
  }
  const generation = resolve(directory!, GENERATION);
  if (openHere.has(generation)) {
    throw new PaddockError("STORE_LOCKED", `The store in ${directory} is held open by this process.`);
  }
  return options.readOnly === true ? openCopy(generation) : openGeneration(generation);
}

async function openGeneration(generation: string): Promise<StorePlace> {
  const database = levelDatabase(generation);
  await openDatabase(database, generation);
  openHere.add(generation);
  return {
    database,
    async close() {
      await database.close();
      openHere.delete(generation);
    },
  };
}

async function openCopy(generation: string): Promise<StorePlace> {
  const createIfMissing = (await filesIn(generation)).length === 0;
  const copy = await privateCopy(generation);
  const database = levelDatabase(copy.directory, { createIfMissing });
  try {
    await openDatabase(database, generation);
  } catch (error) {
    await copy.remove();
    throw error;
  }
  return {
    database,
    async close() {
      await database.close();
      await copy.remove();
    },
  };
}
