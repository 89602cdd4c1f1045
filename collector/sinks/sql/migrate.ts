import { PaddockError } from "@paddock/base/errors.ts";
import type { SqlConnection } from "./connection.ts";
import { textLiteral } from "./literals.ts";
import { columnsOf, creation, SCHEMA_TABLE, SCHEMA_VERSION, TABLE_NAMES, viewStatements } from "./schema.ts";

/** A creation waits for tables that others have open. */
const CREATION_MS = 600_000;

/**
 * Makes the tables of an empty database and the views of one of an older version, and refuses one whose tables are another version's or are not whole: what is
 * made anew beside something damaged would hide it.
 */
export async function migrate(connection: SqlConnection, database: string): Promise<void> {
  const tables = await paddockTables(connection, database);
  const version = tables.has("paddock_schema") ? await versionOf(connection) : undefined;
  if (version !== undefined && version > SCHEMA_VERSION) {
    throw new PaddockError(
      "SINK_REFUSED",
      `The tables of database ${database} are of version ${version}; this Paddock knows ${SCHEMA_VERSION}.`,
      { remedy: "Let the newer Paddock that made them write them, or use another database." },
    );
  }
  if (version === undefined) {
    // A creation that was cut short has its first table, and no version in it.
    if (!tables.has("paddock_schema") && tables.size > 0) {
      throw damaged(database, `there are ${[...tables.keys()].join(", ")}, and no paddock_schema`);
    }
    await connection.run(SCHEMA_TABLE, { timeoutMs: CREATION_MS });
    await make(connection, creation());
    return;
  }
  for (const table of TABLE_NAMES) {
    const columns = tables.get(table);
    if (columns === undefined) throw damaged(database, `the table ${table} is missing`);
    const missing = columnsOf(table).filter((column) => !columns.has(column));
    if (missing.length > 0) throw damaged(database, `${table} has no column ${missing.join(", ")}`);
  }
  if (version < SCHEMA_VERSION) await make(connection, viewStatements());
}

/** What is cut short has no version, and is done again by the next start. */
async function make(connection: SqlConnection, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await connection.run(statement, { timeoutMs: CREATION_MS });
  await connection.run(
    `INSERT INTO paddock_schema (version) VALUES (${SCHEMA_VERSION}) ON DUPLICATE KEY UPDATE version=version`,
  );
}

export function damaged(database: string, what: string): PaddockError {
  return new PaddockError("SINK_REFUSED", `The database ${database} is not as the bridge left it: ${what}.`, {
    remedy:
      "Put the tables back from a backup, or drop all tables and views named paddock_*: the sink makes them again and fills them from the log.",
  });
}

/** The bridge's own tables with their columns. */
async function paddockTables(connection: SqlConnection, database: string): Promise<Map<string, Set<string>>> {
  const names = ["paddock_schema", ...TABLE_NAMES].map(textLiteral).join(",");
  const rows = await connection.run(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=${textLiteral(database)} AND TABLE_NAME IN (${names})`,
  );
  const tables = new Map<string, Set<string>>();
  for (const { t, c } of rows) {
    const columns = tables.get(String(t)) ?? new Set();
    tables.set(String(t), columns.add(String(c)));
  }
  return tables;
}

async function versionOf(connection: SqlConnection): Promise<number | undefined> {
  const [row] = await connection.run("SELECT MAX(version) AS version FROM paddock_schema");
  return row?.["version"] === null || row === undefined ? undefined : Number(row["version"]);
}
