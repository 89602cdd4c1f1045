import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { readBoots } from "./boots-file.ts";
import { chosenMeasurements, READINGS } from "./chosen-measurements.ts";
import type { Engine } from "./engine.ts";
import { globEscaped, lakeFilesOf, type LakeFiles } from "./lake-files.ts";
import { bootsSql, emptyFileSql, NAMED_MEASUREMENT, quotedText, viewSql } from "./views.ts";

/** What is told of the lake beside the answer. */
export interface LakeNotes {
  /** For people; each says what can be done. */
  readonly notes: readonly string[];
  /** Whether something of the lake could not be taken into account. */
  readonly isPartial: boolean;
}

/**
 * Makes the views of a lake: `readings` over all of it, and one for each measurement, called like it, as far as there
 * are not too many; those that `sql` names are always there. `scratch` is a folder of this session. Throws PaddockError.
 */
export async function openLake(engine: Engine, directory: string, scratch: string, sql: string): Promise<LakeNotes> {
  const { connection } = engine;
  const files = lakeFilesOf(directory);
  const boots = readBoots(directory);
  const empty = await emptyFile(engine, scratch);
  const isDated = boots.datings.length > 0;
  const run = (statement: string) => connection.run(statement);
  if (isDated) for (const statement of bootsSql(boots.datings)) await run(statement);

  const named = namesIn(engine, sql);
  const chosen = chosenMeasurements(files.measurements, named);
  const other = files.other === undefined ? [] : [files.other];
  const hasOther = other.length > 0;
  const listed = chosen.length;
  chosen.push(...(await inOther(engine, files, named)));
  const views = [
    { name: READINGS, globs: files.measurements.size + other.length > 0 ? [files.glob] : [] },
    ...chosen.map((only) => {
      const found = files.measurements.get(only);
      return { name: found?.name ?? only, globs: [...(found?.globs ?? []), ...other], only };
    }),
  ];
  for (const [index, { name, globs, ...more }] of views.entries()) {
    const variable = `paddock_${index}`;
    await run(`SET VARIABLE ${variable} = ${quotedText(empty)}`);
    await run(viewSql(name, variable, { isDated, hasOther, ...more }));
    if (globs.length > 0) await run(`SET VARIABLE ${variable} = [${globs.map(quotedText).join(", ")}]`);
  }
  await run("SET lock_configuration = true");
  return notesOf(files, listed, boots.unreadable);
}

/** A file with the lake's columns and no rows, in folders like the lake's. */
async function emptyFile({ connection }: Engine, scratch: string): Promise<string> {
  const folder = join(scratch, "site=_", "date=2000-01-01", "measurement=_");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "empty.parquet");
  await connection.run(emptyFileSql(path));
  return globEscaped(path);
}

/** Names that stand where tables do, in lower case. */
function namesIn({ connection }: Engine, sql: string): string[] {
  try {
    return connection.getTableNames(sql, false).map((name) => name.toLowerCase());
  } catch {
    // What is wrong with the SQL is told when it runs.
    return [];
  }
}

/** Which of the names are measurements without a folder of their own: there are too many of them to list. */
async function inOther(
  { connection }: Engine,
  { measurements, other }: LakeFiles,
  named: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const name of new Set(named)) {
    if (other === undefined || name === READINGS || measurements.has(name)) continue;
    const wanted = `lower(${NAMED_MEASUREMENT}) = ${quotedText(name)}`;
    const { rowCount } = await connection.run(
      `SELECT 1 FROM read_parquet(${quotedText(other)}, union_by_name = true) WHERE ${wanted} LIMIT 1`,
    );
    if (rowCount > 0) found.push(name);
  }
  return found;
}

function notesOf({ directory, measurements, other }: LakeFiles, views: number, unreadable: number): LakeNotes {
  const notes: string[] = [];
  if (other !== undefined) {
    notes.push(`Some of the lake's measurements are too many for a folder each: they have a view when you name them.`);
  }
  const viewable = measurements.size - (measurements.has(READINGS) ? 1 : 0);
  if (viewable > views) {
    notes.push(`The lake has ${viewable} measurements; ${views} of them have a view here, and any that you name.`);
  }
  if (measurements.has(READINGS)) {
    notes.push(
      `The measurement called ${READINGS} has no view: SELECT … FROM ${READINGS} WHERE measurement = '${READINGS}'.`,
    );
  }
  if (unreadable > 0) {
    const path = join(directory, "boots.ndjson");
    notes.push(`${unreadable} lines of ${path} cannot be read: rows of those boots keep the time of their arrival.`);
  }
  return { notes, isPartial: unreadable > 0 };
}
