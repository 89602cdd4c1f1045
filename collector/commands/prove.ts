import { writeFile } from "node:fs/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { decodeProof, verifyProof } from "@paddock/wire/proof.ts";
import type { LogLine } from "../log/log-line.ts";
import { ask } from "../operator/operator-client.ts";
import { type FileRow, readFileRow } from "../query/parquet-row.ts";
import { type Difference, differencesOf, isDatedLater, rowsOfProof } from "../query/proven-row.ts";
import { COLUMNS, type FieldValue } from "../sinks/lake/columns.ts";
import type { Row } from "../sinks/row.ts";
import {
  CONNECT_HELP,
  CONNECT_OPTIONS,
  parseCommandLine,
  socketOf,
  textOption,
  wholeOption,
  type Command,
  type Parsed,
} from "./command.ts";
import { writing } from "./writing.ts";

export const prove: Command = {
  name: "prove",
  usage: "(--file F.parquet --row N | [--file F.parquet] --offset N --part P) [--out FILE] [--config FILE] [--json]",
  summary: "lead a row of the lake back to what its gateway signed",
  help: `  --file F        a Parquet file of the lake
  --row N         its row, from 0: file_row_number of DuckDB's read_parquet
  --offset N      the row's log_offset, and
  --part P        its part: which reading of the record it is, from 0
  --out FILE      write the proof there, for \`verify\`
${CONNECT_HELP}

Asks the collector for the proof of the row's record, checks it, and compares the file's row with what the record says.
Ends with 1 when the row is not what was sealed: the file was changed, or it was made from something else.`,
  async run(argv) {
    const options = {
      ...CONNECT_OPTIONS,
      file: { type: "string" },
      row: { type: "string" },
      offset: { type: "string" },
      part: { type: "string" },
      out: { type: "string" },
    } as const;
    const parsed = parseCommandLine(argv, options);
    const key = await keyOf(parsed);
    const proven = await provenRecord(await socketOf(parsed), key);
    const out = textOption(parsed, "out");
    if (out !== undefined) await writing(out, () => writeFile(out, proven.proof));
    const verdict = verdictOf(key, proven.rows);
    if (parsed.values["json"] === true) printJson(jsonOf(key, proven.rows.length, verdict, out));
    else
      print([...sentences(textOption(parsed, "file"), key, proven.rows.length, verdict), ...writtenTo(out)].join("\n"));
    return verdict.row === undefined || verdict.differences.length > 0 ? 1 : 0;
  },
};

type Key =
  | FileRow
  | { readonly offset: number; readonly part: number; readonly values?: undefined; readonly log?: undefined };

async function keyOf(parsed: Parsed): Promise<Key> {
  const [file, row] = [textOption(parsed, "file"), wholeOption(parsed, "row")];
  const [offset, part] = [wholeOption(parsed, "offset"), wholeOption(parsed, "part")];
  if (row !== undefined && file !== undefined && offset === undefined && part === undefined)
    return readFileRow(file, { row });
  if (row === undefined && offset !== undefined && part !== undefined) {
    return file === undefined ? { offset, part } : readFileRow(file, { offset, part });
  }
  throw new PaddockError(
    "USAGE",
    "Name --file and --row, or --offset and --part, with --file if it is to be compared.",
  );
}

interface ProvenRecord {
  readonly proof: Buffer;
  /** All readings of the record. */
  readonly rows: readonly Row[];
}

/** The proof of a record, checked here, and what stands in it. Throws PaddockError. */
async function provenRecord(socket: string, { offset, log }: Key): Promise<ProvenRecord> {
  const query = new URLSearchParams({ from: String(offset), limit: "1" });
  if (log !== undefined) query.set("log", log);
  // Refused when the file was made from another log, where this offset is another record.
  const lines = (await ask(socket, { path: `/v1/log?${query.toString()}` })).toString("utf8");
  const proof = await ask(socket, { path: `/v1/proof?offset=${offset}` });
  const verified = verifyProof(proof);
  if (!verified.ok) throw doesNotVerify(verified.detail);
  const decoded = decodeProof(proof);
  if (!decoded.ok) throw doesNotVerify(decoded.detail);
  const { received } = JSON.parse(lines.split("\n", 1)[0]!) as LogLine;
  return { proof, rows: rowsOfProof(verified.value, decoded.value, offset, received) };
}

function doesNotVerify(detail: string): PaddockError {
  return new PaddockError("PROOF_INVALID", `What the collector gives does not verify: ${detail}`, {
    remedy: "What it holds there is damaged: `paddock collector ledger verify`.",
  });
}

interface Verdict {
  /** What the record says; undefined when it has no such reading. */
  readonly row: Row | undefined;
  readonly differences: readonly Difference[];
  readonly isDatedLater: boolean;
}

function verdictOf({ part, values }: Key, rows: readonly Row[]): Verdict {
  const row = rows.find((one) => one.part === part);
  if (row === undefined || values === undefined) return { row, differences: [], isDatedLater: false };
  return { row, differences: differencesOf(values, row), isDatedLater: isDatedLater(values, row) };
}

function sentences(file: string | undefined, key: Key, readings: number, verdict: Verdict): string[] {
  const { row, differences } = verdict;
  const where = key.values === undefined ? "The row" : `${file}, row ${key.row},`;
  if (row === undefined) {
    return [
      `${where} is not what was sealed: the record at log offset ${key.offset} has ${readings} readings, and none is part ${key.part}.`,
    ];
  }
  const reading = `reading ${key.part + 1} of ${readings} in the record at log offset ${key.offset}`;
  if (differences.length > 0) {
    const lines = differences.map(
      ({ column, file: held, proven }) =>
        `  ${column}: ${shown(column, held)} in the file, ${shown(column, proven)} in the record`,
    );
    return [`${where} is not what was sealed. It claims to be ${reading}, and differs:`, ...lines];
  }
  const said = COLUMNS.map(({ name, valueOf }) => [name, valueOf(row)] as const)
    .filter(([column, value]) => value !== null && SHOWN.has(column))
    .map(([column, value]) => `  ${column.padEnd(13)} ${shown(column, value)}`);
  const head =
    key.values === undefined
      ? `This is ${reading}, as its gateway sealed it:`
      : `${where} is what was sealed: ${reading}.`;
  return [head, ...said, ...(verdict.isDatedLater ? [LATER] : [])];
}

const LATER =
  "Its boot was dated by a later batch: how its time was reckoned is in no single record, and not compared.";

const SHOWN = new Set([
  "time",
  "time_by",
  "name",
  "unit",
  "value",
  "exact",
  "why_no_value",
  "text",
  "flag",
  "data",
  "sum",
  "gateway",
  "source",
]);

const TIMES = new Set(["time", "arrived"]);

function shown(column: string, value: FieldValue): string {
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (TIMES.has(column) && typeof value === "bigint" && Math.abs(Number(value)) < 8.64e18) return isoMicros(value);
  return typeof value === "number" && Object.is(value, -0) ? "-0" : String(value);
}

function isoMicros(micros: bigint): string {
  const below = ((micros % 1000n) + 1000n) % 1000n;
  return new Date(Number((micros - below) / 1000n)).toISOString().replace("Z", `${String(below).padStart(3, "0")}Z`);
}

function writtenTo(out: string | undefined): string[] {
  return out === undefined ? [] : [`wrote ${out}`, `next: paddock collector verify ${out}`];
}

function jsonOf(
  { offset, part }: Key,
  readings: number,
  { row, differences, isDatedLater: dated }: Verdict,
  out: string | undefined,
) {
  return {
    offset,
    part,
    readings,
    sealed: row !== undefined && differences.length === 0,
    reading:
      row === undefined
        ? null
        : Object.fromEntries(COLUMNS.map(({ name, valueOf }) => [name, jsonValue(name, valueOf(row))])),
    differences: differences.map(({ column, file, proven }) => ({
      column,
      file: jsonValue(column, file),
      proven: jsonValue(column, proven),
    })),
    datedLater: dated,
    written: out ?? null,
  };
}

/** As `query` has it. */
function jsonValue(column: string, value: FieldValue): unknown {
  if (typeof value === "bigint" && !TIMES.has(column)) {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  const isPlain = value === null || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
  return isPlain ? value : shown(column, value);
}
