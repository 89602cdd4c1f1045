import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeRows } from "../sinks/lake/parquet.ts";
import { dateOf, measurementOf, partitionPath } from "../sinks/lake/partitions.ts";
import type { Row } from "../sinks/row.ts";
import { testRow } from "../sinks/testing/row.ts";

/** A reading of nothing in particular: 2026-03-01T12:00:00Z, from the first gateway's `mote-1`. */
export const PLAIN_ROW: Row = testRow({
  gateway: "a1".repeat(32),
  source: "mote-1",
  name: "room:temp",
  number: 20,
  timeUs: Date.UTC(2026, 2, 1, 12) * 1000,
  arrivedMs: Date.UTC(2026, 2, 1, 12, 0, 1),
  boot: 3,
});

/** A file of the lake as its sink writes one: rows in order of time. */
export async function writeLakeFile(
  lake: string,
  site: string,
  rows: readonly Row[],
  { log = "0".repeat(32), name = "part-0", date = dateOf(rows[0]!), measurement = measurementOf(rows[0]!.name) } = {},
): Promise<string> {
  const folder = join(lake, partitionPath(site, date, measurement));
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.parquet`);
  await writeFile(path, encodeRows(rows, { log, version: "test" }));
  return path;
}
