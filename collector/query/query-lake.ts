import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, refuseAtSight, runSql } from "./answer.ts";
import type { DuckDB } from "./duckdb.ts";
import { openEngine } from "./engine.ts";
import { type LakeNotes, openLake } from "./lake-session.ts";

/**
 * Asks the lake in `directory`, gives the answer to `use`, and says what is to be known beside it. Nothing is left behind.
 * Throws PaddockError.
 */
export async function queryLake(
  duckdb: DuckDB,
  directory: string,
  sql: string,
  use: (answer: Answer) => Promise<void>,
): Promise<LakeNotes> {
  refuseAtSight(sql);
  const scratch = await mkdtemp(join(tmpdir(), "paddock-query-"));
  try {
    using engine = await openEngine(duckdb, scratch);
    const notes = await openLake(engine, directory, scratch, sql);
    await use(await runSql(engine, sql));
    return notes;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
