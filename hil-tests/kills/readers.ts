import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { loadDuckDB } from "@paddock/collector/query/duckdb.ts";
import type { MariadbServer } from "../mariadb/mariadb-server.ts";
import type { RedisServer } from "../redis/redis-server.ts";
import type { Reading } from "./tally.ts";

/** The same readings, by programs that know nothing of each other. */

/** A line of `paddock collector log --format senml`, and of the sink of the kind files. */
interface RowLine extends Omit<Reading, "value"> {
  readonly gateway: string;
  readonly source: string;
  /** With six digits behind the second, so that its text has the order of the times. */
  readonly time: string;
  readonly number?: number;
  readonly flag?: boolean;
}

export interface LedgerReading extends Reading {
  /** As Redis' keys end. */
  readonly channel: string;
  readonly time: string;
}

/** Readings in a file with the ledger's replay. */
export async function ledgerReadings(path: string): Promise<LedgerReading[]> {
  const readings: LedgerReading[] = [];
  for await (const line of linesOf(path)) {
    const row = JSON.parse(line) as RowLine;
    const { gateway, source, name, time } = row;
    readings.push({ ...readingOf(row), time, channel: `${gateway}:${source}:${name}` });
  }
  return readings;
}

/** Rows of the sink of the kind files, line by line. */
export async function fileReadings(directory: string): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const file of (await readdir(directory)).filter((name) => name.startsWith("rows-")).toSorted()) {
    for await (const line of linesOf(join(directory, file))) {
      readings.push(readingOf(JSON.parse(line) as RowLine));
    }
  }
  return readings;
}

/** Every Parquet file below a folder, by DuckDB as anybody has it: without views, journal or anything else of ours. */
export async function lakeReadings(directory: string): Promise<Reading[]> {
  const { DuckDBInstance } = await loadDuckDB();
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const glob = join(directory, "**/*.parquet").replaceAll("'", "''");
    const value = "coalesce(value, flag::INTEGER)::DOUBLE";
    const read = await connection.runAndReadAll(
      `SELECT log_offset::DOUBLE, part, name, ${value} FROM read_parquet('${glob}', union_by_name=true)`,
    );
    return (read.getRowsJS() as [number, number, string, number][]).map(([offset, part, name, number]) => ({
      offset,
      part,
      name,
      value: number,
    }));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The bridge's table, by MariaDB's own client. */
export async function sqlReadings(server: MariadbServer): Promise<Reading[]> {
  const select = "SELECT log_offset,part,name,COALESCE(value,flag) FROM paddock_readings JOIN paddock_channels c";
  const text = await server.ask(`${select} ON c.id=channel_id`);
  return text.split("\n").map((line) => {
    const [offset, part, name, value] = line.split("\t") as [string, string, string, string];
    return { offset: Number(offset), part: Number(part), name, value: Number(value) };
  });
}

/** The log offset of each channel in Redis, by `redis-cli`. */
export async function redisOffsets(server: RedisServer, prefix: string): Promise<Map<string, number>> {
  const keys = (await server.ask("--scan", "--pattern", `${prefix}last:*`)).split("\n");
  const offsets = await server.askAll(keys.map((key) => `HGET "${key}" log_offset`));
  return new Map(keys.map((key, index) => [key.slice(`${prefix}last:`.length), Number(offsets[index])]));
}

/** The newest reading of each channel: the latest by its time, and of one time the last in the log. */
export function newestOffsets(readings: readonly LedgerReading[]): Map<string, number> {
  const newest = new Map<string, LedgerReading>();
  for (const reading of readings) {
    const known = newest.get(reading.channel);
    if (known === undefined || reading.time >= known.time) newest.set(reading.channel, reading);
  }
  return new Map([...newest].map(([channel, { offset }]) => [channel, offset]));
}

function readingOf({ offset, part, name, number, flag }: RowLine): Reading {
  const value = Number(number ?? flag);
  if (Number.isNaN(value)) throw new Error(`no number at ${offset}: ${name}`);
  return { offset, part, name, value };
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, "utf8") });
}
