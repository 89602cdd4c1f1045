import { MemoryLevel } from "memory-level";
import { adaptLevel, type KeyValueDatabase } from "../database.ts";

/** A database in memory that keeps its content over close and open. */
export function memoryDatabase(): KeyValueDatabase {
  return adaptLevel(new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view" }));
}
