import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@paddock/base/errors.ts";
import { runSql } from "../../query/answer.ts";
import type { Cell } from "../../query/cell.ts";
import { loadDuckDB } from "../../query/duckdb.ts";
import { openEngine, type Engine } from "../../query/engine.ts";
import { globEscaped } from "../../query/lake-files.ts";
import { quotedText } from "../../query/views.ts";
import { hiveValue, measurementOf, OTHER } from "../lake/partitions.ts";
import { isNewer, type Channel } from "../newest.ts";
import type { LastReading, ReadingKind } from "./reading.ts";
import type { Look, LowerTier } from "./tiers.ts";

/** Beside the sinks, and one question at a time: what does not fit goes to files. */
const LIMITS = { memoryBytes: 134_217_728, threads: 1 };
/** A pattern that nothing fits, and files that were merged or expired between a look and a read. */
const NO_FILES = /No files found that match/u;

/** In the order of `readingOf` below. */
const COLUMNS = [
  "epoch_us(time)",
  "time_by",
  "clock",
  "CASE WHEN text IS NOT NULL THEN 'text' WHEN flag IS NOT NULL THEN 'boolean' WHEN data IS NOT NULL THEN 'data' WHEN value IS NOT NULL OR exact IS NOT NULL OR why_no_value IS NOT NULL THEN 'number' ELSE 'none' END",
  "value",
  "exact",
  "why_no_value",
  "text",
  "flag",
  "data",
  "content_format",
  "unit",
  "sum",
  "update_s",
  "lane",
  "epoch_ms(arrived)",
  "log_offset",
  "part",
  "epoch",
  "seq",
  "record",
];

/** The Parquet files that a sink of kind lake keeps, read by DuckDB where that is installed. */
export class LakeTier implements LowerTier {
  readonly tier = "lake";
  readonly waitMs = 5000;
  readonly #directory: string;
  #isLooking = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async find(channel: Channel): Promise<Look> {
    if (this.#isLooking) throw new Error("another look into it is under way");
    this.#isLooking = true;
    try {
      const reading = await this.#newest(channel);
      // Which part of the log the lake holds, its retention decides.
      return reading === undefined ? {} : { found: { reading, since: null, upTo: null } };
    } finally {
      this.#isLooking = false;
    }
  }

  close(): void {}

  async #newest(channel: Channel): Promise<LastReading | undefined> {
    const duckdb = await loadDuckDB();
    const scratch = await mkdtemp(join(tmpdir(), "paddock-last-"));
    try {
      using engine = await openEngine(duckdb, scratch, LIMITS);
      // Where a site's day had too many measurements, the rows of more lie in a folder of their own.
      const own = await this.#newestIn(engine, hiveValue(measurementOf(channel.name)), channel);
      const other = await this.#newestIn(engine, OTHER, channel);
      return own === undefined || (other !== undefined && isNewer(other, own)) ? other : own;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #newestIn(engine: Engine, folder: string, channel: Channel): Promise<LastReading | undefined> {
    const glob = `${globEscaped(this.#directory)}/site=*/date=*/measurement=${globEscaped(folder)}/*.parquet`;
    const { gateway, source, name } = channel;
    const isMeant = `gateway = ${quotedText(gateway)} AND source = ${quotedText(source)} AND name = ${quotedText(name)}`;
    const order = "least(time, arrived) DESC, log_offset DESC, part DESC";
    const files = `read_parquet(${quotedText(glob)}, union_by_name = true, hive_partitioning = false)`;
    const sql = `SELECT ${COLUMNS.join(", ")} FROM ${files} WHERE ${isMeant} ORDER BY ${order} LIMIT 1`;
    try {
      for await (const rows of (await runSql(engine, sql)).chunks) {
        if (rows[0] !== undefined) return readingOf(rows[0], channel);
      }
      return undefined;
    } catch (error) {
      if (NO_FILES.test(messageOf(error))) return undefined;
      throw error;
    }
  }
}

function readingOf(row: readonly Cell[], { gateway, source, name }: Channel): LastReading {
  const text = (at: number): string | null => row[at] as string | null;
  const number = (at: number): number => Number(row[at]);
  const value = row.slice(7, 10).find((cell) => cell !== null) ?? row[4]!;
  return {
    gateway,
    source,
    name,
    kind: text(3) as ReadingKind,
    value: value === 0 ? 0 : (value as LastReading["value"]),
    exact: Object.is(row[4], -0) ? "-0" : text(5),
    whyNoNumber: text(6) as LastReading["whyNoNumber"],
    contentFormat: text(10),
    unit: text(11),
    sum: row[12] as number | null,
    updateS: row[13] as number | null,
    timeUs: number(0),
    timeBy: text(1) as LastReading["timeBy"],
    clock: text(2) as LastReading["clock"],
    arrivedMs: number(15),
    offset: number(16),
    part: number(17),
    lane: text(14) as LastReading["lane"],
    epoch: number(18),
    seq: number(19),
    index: number(20),
  };
}
