import type { Dating } from "../sinks/row.ts";

/** Columns of the lake's files, in their order, with the types that DuckDB reads them as. */
export const FILE_COLUMNS = [
  ["time", "TIMESTAMPTZ"],
  ["time_by", "VARCHAR"],
  ["clock", "VARCHAR"],
  ["name", "VARCHAR"],
  ["unit", "VARCHAR"],
  ["value", "DOUBLE"],
  ["exact", "VARCHAR"],
  ["why_no_value", "VARCHAR"],
  ["text", "VARCHAR"],
  ["flag", "BOOLEAN"],
  ["data", "BLOB"],
  ["content_format", "VARCHAR"],
  ["sum", "DOUBLE"],
  ["update_s", "DOUBLE"],
  ["gateway", "VARCHAR"],
  ["source", "VARCHAR"],
  ["lane", "VARCHAR"],
  ["arrived", "TIMESTAMPTZ"],
  ["log_offset", "BIGINT"],
  ["part", "INTEGER"],
  ["epoch", "BIGINT"],
  ["seq", "BIGINT"],
  ["record", "INTEGER"],
  ["boot", "BIGINT"],
  ["monotonic_us", "BIGINT"],
] as const;

/** Columns that the names of folders give. Without types, a site named 0x10 would be the number 16, and epoch a day. */
const FOLDER_COLUMNS = [
  ["site", "VARCHAR"],
  ["date", "DATE"],
  ["measurement", "VARCHAR"],
] as const;

const COLUMN_NAMES = [...FILE_COLUMNS, ...FOLDER_COLUMNS].map(([name]) => name);

/** The table of datings that views look into. */
const BOOTS = "paddock.boots";

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The folder of measurements that came when a site's day had too many folders already: their rows say by name what they are. */
export const OTHER = "_other";

/** As the lake names folders: behind the last `:` or `/` of the name, or all of it when that is empty. */
export const NAMED_MEASUREMENT = "coalesce(nullif(regexp_extract(name, '[^:/]*$'), ''), name)";

export interface ViewOptions {
  /** Rows of boots that were dated later get their time, and the day of it. */
  readonly isDated: boolean;
  /** Among the files are those of the folder `_other`. */
  readonly hasOther: boolean;
  /** In lower case: all other measurements are left out, as far as `_other` holds some. */
  readonly only?: string;
}

/**
 * A view over the files that a variable of the session names: what it names is looked at when the view is used, not when it is
 * made, so that a view costs nothing until then. By union_by_name columns are told apart by name, whichever file
 * comes first.
 */
export function viewSql(name: string, variable: string, { isDated, hasOther, only }: ViewOptions): string {
  const types = FOLDER_COLUMNS.map(([column, type]) => `'${column}': ${type}`).join(", ");
  const files = `read_parquet(getvariable(${quotedText(variable)}), union_by_name = true, hive_partitioning = true, hive_types = {${types}})`;
  const columns = COLUMN_NAMES.map(quotedName).join(", ");
  const head = `CREATE OR REPLACE VIEW ${quotedName(name)} AS`;
  const source = hasOther ? `(${namedSql(files, columns, only)})` : files;
  if (!isDated) return `${head} SELECT ${columns} FROM ${source}`;
  const undated = `SELECT ${columns} FROM ${source} WHERE time_by IS DISTINCT FROM 'collector'`;
  return `${head} ${undated} UNION ALL SELECT ${COLUMN_NAMES.map(datedColumn).join(", ")} FROM ${source} r LEFT JOIN ${BOOTS} b ON b.gateway = r.gateway AND b.boot = r.boot WHERE r.time_by = 'collector'`;
}

/** Rows with the measurement that their name says where their folder does not. A filter on it then skips no folder. */
function namedSql(files: string, columns: string, only: string | undefined): string {
  const measurement = `CASE measurement WHEN '${OTHER}' THEN ${NAMED_MEASUREMENT} ELSE measurement END`;
  const all = `SELECT * REPLACE (${measurement} AS measurement) FROM (SELECT ${columns} FROM ${files})`;
  return only === undefined ? all : `SELECT * FROM (${all}) WHERE lower(measurement) = ${quotedText(only)}`;
}

/** A relative time of the sensor was added to when its batch arrived; it is added to when it was received instead. */
const DATED_TIME = "make_timestamptz(b.zero_us + r.monotonic_us + epoch_us(r.time) - epoch_us(r.arrived))";
const DATED: Readonly<Record<string, string>> = {
  time: DATED_TIME,
  time_by: "'gateway'",
  clock: "'dated'",
  date: `CAST(${DATED_TIME} AT TIME ZONE 'UTC' AS DATE)`,
};

function datedColumn(name: string): string {
  const dated = DATED[name];
  const column = `r.${quotedName(name)}`;
  return dated === undefined ? column : `CASE WHEN b.zero_us IS NULL THEN ${column} ELSE ${dated} END AS "${name}"`;
}

/** Makes the table of datings. */
export function bootsSql(datings: readonly Dating[]): string[] {
  const rows = datings.map(({ gateway, boot, zeroUs }) => `(${quotedText(gateway)}, ${boot}, ${zeroUs})`);
  const made = [
    "CREATE SCHEMA paddock",
    `CREATE TABLE ${BOOTS} (gateway VARCHAR NOT NULL, boot BIGINT NOT NULL, zero_us BIGINT NOT NULL)`,
  ];
  for (let at = 0; at < rows.length; at += 1000) {
    made.push(`INSERT INTO ${BOOTS} VALUES ${rows.slice(at, at + 1000).join(", ")}`);
  }
  return made;
}

/** Writes a file with all columns and no row, for a view to be made of. */
export function emptyFileSql(path: string): string {
  const columns = FILE_COLUMNS.map(([name, type]) => `CAST(NULL AS ${type}) AS ${quotedName(name)}`).join(", ");
  return `COPY (SELECT ${columns} LIMIT 0) TO ${quotedText(path)} (FORMAT parquet)`;
}
