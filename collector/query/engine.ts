import { totalmem } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { DuckDB } from "./duckdb.ts";

/** Of the machine's memory: the ledger lives on the same one. What does not fit goes to files in `scratch`. */
const MEMORY_SHARE = 0.25;
const MEMORY_BYTES_MIN = 134_217_728;

/** A database in memory that nothing but its connection sees. */
export interface Engine extends Disposable {
  readonly duckdb: DuckDB;
  readonly connection: DuckDBConnection;
}

/** What an engine may take. */
export interface EngineLimits {
  readonly memoryBytes: number;
  readonly threads?: number;
}

/**
 * Opens a database in memory whose time zone is UTC, whatever the environment says, and which fetches nothing: extensions
 * that are not built in are neither got nor loaded. `scratch` takes what does not fit into memory.
 */
export async function openEngine(
  duckdb: DuckDB,
  scratch: string,
  { memoryBytes, threads }: EngineLimits = {
    memoryBytes: Math.max(MEMORY_BYTES_MIN, Math.floor(totalmem() * MEMORY_SHARE)),
  },
): Promise<Engine> {
  const instance = await duckdb.DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_persistent_secrets: "false",
    memory_limit: `${memoryBytes}B`,
    ...(threads === undefined ? {} : { threads: String(threads) }),
    temp_directory: join(scratch, "spill"),
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return {
    duckdb,
    connection,
    [Symbol.dispose]() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}
