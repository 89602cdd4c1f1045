import { appendFile, readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { parse } from "csv-parse/sync";
import * as v from "valibot";

/**
 * Many gateways from one table (CSV, RFC 4180), and the record of what was flashed, so that a batch can be stopped and
 * taken up again.
 */

const COLUMNS = ["hostname", "claim", "identity", "config", "sensors", "collector-key", "ssh-key", "network"] as const;
const ROWS_MAX = 10_000;

/** One line of the table: the same names as the options have; hostname tells units apart. */
export interface BatchRow {
  readonly line: number;
  readonly hostname: string;
  readonly options: Readonly<Partial<Record<(typeof COLUMNS)[number], string>>>;
}

/** The rows of a table. Throws USAGE that names line, column and value. */
export function readBatch(text: string): BatchRow[] {
  let rows: { record: Record<string, string>; info: { lines: number } }[];
  try {
    rows = parse(text, { bom: true, columns: true, info: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw usage(`The table is not CSV: ${messageOf(error).replace(/\.$/u, "")}.`);
  }
  if (rows.length === 0) throw usage("The table has no line below its head.");
  if (rows.length > ROWS_MAX) throw usage(`The table has ${rows.length} lines; ${ROWS_MAX} are the most.`);
  for (const name of Object.keys(rows[0]!.record)) {
    if (COLUMNS.some((known) => known === name)) continue;
    const nearest = nearestName(name, COLUMNS);
    throw usage(`Column "${name}" is not known${nearest === undefined ? "" : `; did you mean "${nearest}"?`}.`);
  }
  const lineOf = new Map<string, number>();
  return rows.map(({ record, info }) => {
    const options = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
    const { hostname } = options;
    if (hostname === undefined) throw usage(`Line ${info.lines}: hostname is missing; it tells the gateways apart.`);
    const before = lineOf.get(hostname);
    if (before !== undefined)
      throw usage(`Line ${info.lines}: hostname "${hostname}" stands in line ${before} already.`);
    lineOf.set(hostname, info.lines);
    return { line: info.lines, hostname, options };
  });
}

const FlashedSchema = v.object({
  time: v.string(),
  hostname: v.optional(v.string()),
  id: v.optional(v.string()),
  claim: v.optional(v.string()),
  to: v.string(),
  disk: v.optional(v.string()),
  image: v.string(),
  sha256: v.string(),
  version: v.string(),
  data: v.string(),
});

/** A line of the record. It holds the claim code, which the collector's configuration needs: keep it like a key. */
export type Flashed = v.InferOutput<typeof FlashedSchema>;

/** Appends to the record, a file of JSON lines for its owner only. */
export async function appendFlashed(path: string, flashed: Flashed): Promise<void> {
  await appendFile(path, `${JSON.stringify(flashed)}\n`, { mode: 0o600, flush: true });
}

/** Names of the gateways that a record says were flashed with this image. A line that is cut counts for nothing. */
export async function flashedHostnames(path: string, sha256: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw usage(`--record ${path} cannot be read: ${error.message}.`);
  });
  const lines = text.split("\n").map((line) => v.safeParse(FlashedSchema, tryParse(line)));
  return new Set(
    lines.flatMap(({ success, output }) =>
      success && output.sha256 === sha256 && output.hostname !== undefined ? [output.hostname] : [],
    ),
  );
}

function tryParse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function usage(message: string): PaddockError {
  return new PaddockError("USAGE", message);
}
