import { join, resolve } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { levelDatabase, openDatabase, type KeyValueDatabase } from "./database.ts";
import { complaints, listing, openTrial, prepareGeneration } from "./generation.ts";
import { removeCopies } from "./private-copy.ts";
import { WitnessFile, type Testimony } from "./witness.ts";

/** An open database and what letting it go takes. */
export interface StorePlace {
  readonly database: KeyValueDatabase;
  /** Of a directory that is not only looked at: the file that knows of the database's end, and what it said. */
  readonly witness?: WitnessFile;
  readonly testimony?: Testimony | undefined;
  /** What LevelDB said that it left out when it opened. */
  readonly complaints: readonly string[];
  /** Resolves with what the directory was left like. */
  close(): Promise<Uint8Array | undefined>;
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
    return { database, complaints: [], close: () => closed(database) };
  }
  const generation = resolve(directory!, GENERATION);
  if (openHere.has(generation)) {
    throw new PaddockError("STORE_LOCKED", `The store in ${directory} is held open by this process.`);
  }
  return options.readOnly === true ? openCopy(directory!, generation) : openGeneration(directory!, generation);
}

async function openGeneration(directory: string, generation: string): Promise<StorePlace> {
  const witness = new WitnessFile(join(directory, "witness"));
  const testimony = await witness.read();
  const aside = await prepareGeneration(generation, testimony?.left);
  const database = levelDatabase(generation, { createIfMissing: false });
  await openDatabase(database, generation);
  openHere.add(generation);
  const said = await complaints(generation);
  await aside?.settle(said.length > 0);
  await removeCopies(`${directory}.copy-`);
  return {
    database,
    witness,
    testimony,
    complaints: said,
    async close() {
      await database.close();
      openHere.delete(generation);
      return listing(generation);
    },
  };
}

async function openCopy(directory: string, generation: string): Promise<StorePlace> {
  const copy = await openTrial(generation, `${directory}.copy-`);
  return {
    database: copy.database,
    complaints: await complaints(copy.directory),
    async close() {
      await copy.close();
      return undefined;
    },
  };
}

async function closed(database: KeyValueDatabase): Promise<undefined> {
  await database.close();
}
