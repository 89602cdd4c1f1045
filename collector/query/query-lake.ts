import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@paddock/base/errors.ts";
import { type Answer, refuseAtSight, runSql } from "./answer.ts";
import type { DuckDB } from "./duckdb.ts";
import { openEngine } from "./engine.ts";
import { type LakeNotes, openLake } from "./lake-session.ts";

/** Files that a writer replaced or whose day expired between a look and a read; the next look does not find them. */
const GONE = /No such file or directory|No files found that match|Cannot open file|Could not read file/u;
const TRIES = 5;

/**
 * Asks the lake in `directory`, gives the answer to `use`, and says what is to be known beside it. Nothing is left behind.
 * Until the answer `hasBegun` to be shown, a file that has gone meanwhile makes it look again. Throws PaddockError.
 */
export async function queryLake(
  duckdb: DuckDB,
  directory: string,
  sql: string,
  use: (answer: Answer) => Promise<void>,
  hasBegun: () => boolean,
): Promise<LakeNotes> {
  refuseAtSight(sql);
  for (let left = TRIES - 1; ; left--) {
    try {
      return await askOnce(duckdb, directory, sql, use);
    } catch (error) {
      if (left === 0 || hasBegun() || !GONE.test(messageOf(error))) throw error;
    }
  }
}

async function askOnce(
  duckdb: DuckDB,
  directory: string,
  sql: string,
  use: (answer: Answer) => Promise<void>,
): Promise<LakeNotes> {
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
