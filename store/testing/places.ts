import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore, type ChainStoreOptions } from "../chain-store.ts";
import { memoryDatabase } from "./memory-database.ts";

/** Somewhere a store can live, be closed and be opened again. */
export interface Place {
  open(options?: Partial<ChainStoreOptions>): Promise<ChainStore>;
  remove(): void;
}

const DEFAULTS = {
  maxBytes: 64 << 20,
  minFreeBytes: 0,
  ballastBytes: 0,
  arrivalLog: false,
} as const;

export function placeInMemory(): Place {
  const database = memoryDatabase();
  const clock = new VirtualClock();
  return { open: (options) => ChainStore.open({ ...DEFAULTS, clock, database, ...options }), remove() {} };
}

/** In a folder of its own, so that what appears beside the store is the store's doing. */
export function placeOnDisk(): Place & { readonly directory: string } {
  const parent = mkdtempSync(join(tmpdir(), "paddock-store-"));
  const directory = join(parent, "store");
  mkdirSync(directory, { mode: 0o700 });
  const clock = new VirtualClock();
  return {
    directory,
    open: (options) => ChainStore.open({ ...DEFAULTS, clock, directory, ...options }),
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}
