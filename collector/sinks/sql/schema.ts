import { VIEWS } from "./views.ts";

/** The number that stands in `paddock_schema`; 2: the views have the right seconds in MySQL, too. A database with a higher one was made by a newer Paddock. */
export const SCHEMA_VERSION = 2;

/** What the bridge compares by its bytes: the default collation differs between servers, and merges names. */
const TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
const ASCII = "CHARACTER SET ascii COLLATE ascii_bin";
const TABLE = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/** What a row says of a value beside its number. */
const VALUE_COLUMNS: readonly [name: string, type: string][] = [
  ["value", "DOUBLE NULL"],
  ["exact", `MEDIUMTEXT ${ASCII} NULL`],
  ["why_no_value", `VARCHAR(16) ${ASCII} NULL`],
  ["text", `TEXT ${TEXT} NULL`],
  ["flag", "BOOLEAN NULL"],
];

const TIME_BY = `ENUM('sensor','gateway','collector') ${ASCII} NOT NULL`;

interface Table {
  /** Order of columns is the order in which the bridge writes them. */
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly keys: readonly string[];
}

/**
 * A frame has at most 60 KiB, so that no name, unit, text or data of one is longer than TEXT and BLOB hold. The tables
 * that the first version has; a later one adds to `MIGRATIONS`.
 */
export const TABLES = {
  paddock_channels: {
    columns: [
      ["id", "INT UNSIGNED NOT NULL AUTO_INCREMENT"],
      ["channel_key", "BINARY(32) NOT NULL"],
      ["gateway", `CHAR(64) ${ASCII} NOT NULL`],
      ["source", `VARCHAR(128) ${TEXT} NOT NULL`],
      ["name", `TEXT ${TEXT} NOT NULL`],
      ["unit", `TEXT ${TEXT} NULL`],
      ["measurement", `TEXT ${TEXT} NOT NULL`],
    ],
    keys: ["PRIMARY KEY (id)", "UNIQUE KEY channel_key (channel_key)", "KEY name (name(64))"],
  },
  paddock_readings: {
    columns: [
      ["id", "BIGINT UNSIGNED NOT NULL"],
      ["log_offset", "BIGINT UNSIGNED NOT NULL"],
      ["part", "INT UNSIGNED NOT NULL"],
      ["channel_id", "INT UNSIGNED NOT NULL"],
      ["ts", "DATETIME(6) NOT NULL"],
      ...VALUE_COLUMNS,
      ["data", "BLOB NULL"],
      ["content_format", `TEXT ${TEXT} NULL`],
      ["sum", "DOUBLE NULL"],
      ["update_s", "DOUBLE NULL"],
      ["time_by", TIME_BY],
      ["clock", `ENUM('unset','holdover','synchronised','dated') ${ASCII} NOT NULL`],
      ["arrived", "DATETIME(6) NOT NULL"],
      ["lane", `ENUM('alarm','telemetry','bulk') ${ASCII} NOT NULL`],
      ["epoch", "INT UNSIGNED NOT NULL"],
      ["seq", "BIGINT UNSIGNED NOT NULL"],
      ["record", "INT UNSIGNED NOT NULL"],
      ["boot", "BIGINT UNSIGNED NOT NULL"],
      ["monotonic_us", "BIGINT UNSIGNED NOT NULL"],
    ],
    keys: ["PRIMARY KEY (log_offset, part)", "UNIQUE KEY id (id)", "KEY channel_ts (channel_id, ts)"],
  },
  paddock_latest: {
    columns: [
      ["channel_id", "INT UNSIGNED NOT NULL"],
      ...VALUE_COLUMNS,
      ["time_by", TIME_BY],
      ["arrived", "DATETIME(6) NOT NULL"],
      ["ts", "DATETIME(6) NOT NULL"],
      ["part", "INT UNSIGNED NOT NULL"],
      ["log_offset", "BIGINT UNSIGNED NOT NULL"],
      ["newest_by", "DATETIME(6) NOT NULL"],
    ],
    keys: ["PRIMARY KEY (channel_id)"],
  },
  paddock_undated: {
    columns: [
      ["gateway", `CHAR(64) ${ASCII} NOT NULL`],
      ["boot", "BIGINT UNSIGNED NOT NULL"],
      ["log_offset", "BIGINT UNSIGNED NOT NULL"],
      ["part", "INT UNSIGNED NOT NULL"],
    ],
    keys: ["PRIMARY KEY (gateway, boot, log_offset, part)", "KEY log_offset (log_offset)"],
  },
  paddock_datings: {
    columns: [
      ["gateway", `CHAR(64) ${ASCII} NOT NULL`],
      ["boot", "BIGINT UNSIGNED NOT NULL"],
      ["zero_us", "BIGINT NOT NULL"],
      ["log_offset", "BIGINT UNSIGNED NOT NULL"],
    ],
    keys: ["PRIMARY KEY (gateway, boot)"],
  },
  paddock_losses: {
    columns: [
      ["log_offset", "BIGINT UNSIGNED NOT NULL"],
      ["nth", "INT UNSIGNED NOT NULL"],
      ["records", "BIGINT UNSIGNED NOT NULL"],
      ["gateway", `CHAR(64) ${ASCII} NULL`],
      ["source", `VARCHAR(128) ${TEXT} NULL`],
      ["reason", `MEDIUMTEXT ${TEXT} NOT NULL`],
    ],
    keys: ["PRIMARY KEY (log_offset, nth)"],
  },
  paddock_sink: {
    columns: [
      ["id", "TINYINT UNSIGNED NOT NULL"],
      ["log", `VARCHAR(64) ${ASCII} NULL`],
      ["log_offset", "BIGINT UNSIGNED NULL"],
      ["behind", `VARCHAR(64) ${ASCII} NULL`],
      ["updated", "DATETIME(3) NULL"],
      ["rewinding", "BOOLEAN NOT NULL"],
    ],
    keys: ["PRIMARY KEY (id)"],
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[];

/** Holds the version alone; made first and filled last, so that a crash between is seen. */
export const SCHEMA_TABLE = `CREATE TABLE IF NOT EXISTS paddock_schema (version INT UNSIGNED NOT NULL, PRIMARY KEY (version)) ${TABLE}`;

export function columnsOf(table: TableName): readonly string[] {
  return TABLES[table].columns.map(([name]) => name);
}

/** The statements that make everything of this version beside `paddock_schema`; harmless to repeat. */
export function creation(): readonly string[] {
  const tables = TABLE_NAMES.map((name) => {
    const { columns, keys } = TABLES[name];
    const parts = [...columns.map(([column, type]) => `\`${column}\` ${type}`), ...keys];
    return `CREATE TABLE IF NOT EXISTS ${name} (${parts.join(", ")}) ${TABLE}`;
  });
  // There is always one, so that who writes first has something to lock.
  const empty = "INSERT INTO paddock_sink (id, rewinding) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id";
  return [...tables, ...viewStatements(), empty];
}

/** Views are made again at each start of a new version: they hold nothing. */
export function viewStatements(): readonly string[] {
  return Object.entries(VIEWS).map(
    ([name, select]) => `CREATE OR REPLACE SQL SECURITY INVOKER VIEW ${name} AS ${select}`,
  );
}
