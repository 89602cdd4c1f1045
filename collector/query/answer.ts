import type { DuckDBPreparedStatement } from "@duckdb/node-api";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { type Cell, cellOf } from "./cell.ts";
import type { Engine } from "./engine.ts";

/** What a query gives: its rows come as DuckDB makes them, some thousands at a time. */
export interface Answer {
  /** Each name once: a second `a` is `a:1`. */
  readonly columns: readonly string[];
  readonly chunks: AsyncIterable<readonly (readonly Cell[])[]>;
}

/** What DuckDB does not take, in its own words; `cause` is its error. */
function refusedSql(error: unknown): PaddockError {
  return new PaddockError("QUERY_FAILED", `${messageOf(error)}\n`, { cause: error });
}

/**
 * Runs statements and gives what the last one answers. Statements that read are taken, and those that change what this database in
 * memory holds; one that could write to a file, attach a database, or load code is refused before it runs. Throws PaddockError.
 */
export async function runSql(engine: Engine, sql: string): Promise<Answer> {
  const statements = await extracted(engine, sql);
  for (let index = 0; ; index++) {
    // Prepared one by one: PIVOT is two statements, and the second needs what the first makes.
    const statement = await orRefused(statements.prepare(index));
    await refuseWriting(engine, statement, sql, statements.count);
    if (index === statements.count - 1) return answerOf(engine, statement);
    await orRefused(statement.run());
  }
}

/** Refuses what writes before it runs: DuckDB 1.5.6 makes the folder of an EXPORT when it looks at it. Throws PaddockError. */
export function refuseAtSight(sql: string): void {
  if (/(?:^|;)\s*EXPORT\s/iu.test(sql)) throw writes("EXPORT");
}

async function extracted({ connection }: Engine, sql: string) {
  try {
    return await connection.extractStatements(sql);
  } catch (error) {
    // DuckDB's Node API 1.5.6 says no more than this of SQL without a statement.
    if (messageOf(error) !== "Error in native callback")
      throw refusedSql(messageOf(error).replace(/^Failed to extract statements: /u, ""));
    throw new PaddockError("USAGE", "There is no statement in the SQL.");
  }
}

async function answerOf({ duckdb }: Engine, statement: DuckDBPreparedStatement): Promise<Answer> {
  const result = await orRefused(statement.stream());
  async function* chunks() {
    for (;;) {
      const chunk = await orRefused(result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getRows().map((row) => row.map((value) => cellOf(duckdb, value)));
    }
  }
  return { columns: result.deduplicatedColumnNames(), chunks: chunks() };
}

async function orRefused<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    throw refusedSql(error);
  }
}

/** Statements that stay in this process: they read, or change tables in memory. */
const HARMLESS = ["SELECT", "CREATE", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP", "TRANSACTION", "SET"] as const;

async function refuseWriting(
  engine: Engine,
  statement: DuckDBPreparedStatement,
  sql: string,
  count: number,
): Promise<void> {
  const { StatementType } = engine.duckdb;
  const { statementType } = statement;
  if (HARMLESS.some((name) => StatementType[name] === statementType)) return;
  // EXPLAIN ANALYZE runs what it explains.
  if (statementType === StatementType.EXPLAIN && count === 1 && (await explainsReading(engine, sql))) return;
  throw writes(StatementType[statementType]);
}

function writes(name: string): PaddockError {
  return new PaddockError("QUERY_FAILED", `${name} is not done here: \`query\` reads the lake and writes nothing.`, {
    remedy: "To keep an answer, print it with --format csv, json or ndjson and redirect it to a file.",
  });
}

async function explainsReading(engine: Engine, sql: string): Promise<boolean> {
  const explained = /^\s*EXPLAIN\s+(?:ANALYZE\s+)?(?<rest>[\s\S]*)$/iu.exec(sql)?.groups?.["rest"];
  if (explained === undefined) return false;
  const statements = await extracted(engine, explained);
  if (statements.count !== 1) return false;
  const { statementType } = await orRefused(statements.prepare(0));
  return statementType === engine.duckdb.StatementType.SELECT;
}
