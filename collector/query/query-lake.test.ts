import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PLAIN_ROW, writeLakeFile } from "../testing/small-lake.ts";
import type { Answer } from "./answer.ts";
import { type DuckDB, loadDuckDB } from "./duckdb.ts";
import { queryLake } from "./query-lake.ts";

let lake: string;
let file: string;
beforeEach(async () => {
  lake = await mkdtemp(join(tmpdir(), "paddock-lake-"));
  file = await writeLakeFile(lake, "a", [PLAIN_ROW]);
});
afterEach(() => rm(lake, { recursive: true, force: true }));

test("a file that is gone between a look and a read is looked for again, until some of the answer was shown", async () => {
  const duckdb = await loadDuckDB();
  let looks = 0;
  const use = (): Promise<void> => {
    looks++;
    // DuckDB's own words for a file that is not there.
    return looks === 1 ? missing(duckdb) : Promise.resolve();
  };
  await expect(queryLake(duckdb, lake, "FROM temp", use, () => true)).rejects.toThrow(/No files found|No such file/u);
  expect(looks).toBe(1);
  looks = 0;
  await queryLake(duckdb, lake, "FROM temp", use, () => false);
  expect(looks).toBe(2);
});

async function missing({ DuckDBInstance }: DuckDB): Promise<void> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run(`SELECT * FROM read_parquet('${file}-none.parquet')`);
}

test("folders that retention emptied are no error", async () => {
  await rm(file);
  const seen: unknown[] = [];
  const sql = "SELECT count(*) AS n FROM readings";
  const use = async ({ chunks }: Answer): Promise<void> => {
    for await (const chunk of chunks) seen.push(...chunk);
  };
  await queryLake(await loadDuckDB(), lake, sql, use, () => false);
  expect(seen).toEqual([[0n]]);
});
