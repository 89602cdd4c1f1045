import { messageOf, PaddockError } from "@paddock/base/errors.ts";

export type DuckDB = typeof import("@duckdb/node-api");

const PACKAGE = "@duckdb/node-api";
/** The one that package.json names; a bundle has no package.json. */
export const DUCKDB_VERSION = "1.5.6-r.1";

/**
 * DuckDB, which no other command loads: it is 70 MB of native code, and an optional dependency. Throws PaddockError
 * USAGE, with the way to get it, where it is not installed.
 */
export async function loadDuckDB(load: (name: string) => Promise<unknown> = (name) => import(name)): Promise<DuckDB> {
  try {
    return (await load(PACKAGE)) as DuckDB;
  } catch (error) {
    throw new PaddockError("USAGE", `DuckDB, the npm package ${PACKAGE}, cannot be loaded: ${messageOf(error)}.`, {
      cause: error,
      remedy: `It is optional: npm install ${PACKAGE}@${DUCKDB_VERSION} in the folder of paddock gets it. Stock DuckDB reads the lake as well, see docs/data.md.`,
    });
  }
}
