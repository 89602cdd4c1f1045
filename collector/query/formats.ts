import { printable } from "@paddock/base/printable.ts";
import type { Answer } from "./answer.ts";
import type { Cell } from "./cell.ts";
import { csvLine } from "./csv.ts";
import { jsonRow } from "./json-text.ts";
import { tableText } from "./table.ts";

export const FORMATS = ["table", "csv", "json", "ndjson"] as const;
export type Format = (typeof FORMATS)[number];

/** Rows of a table: more is for programs. */
const TABLE_ROWS_MAX = 1000;

/** The answer as text, piece by piece, no more of it in memory than DuckDB gives at once. */
export const WRITERS: Readonly<Record<Format, (answer: Answer) => AsyncGenerator<string>>> = {
  table,
  csv,
  json,
  ndjson,
};

async function* table({ columns, chunks }: Answer): AsyncGenerator<string> {
  const rows: (readonly Cell[])[] = [];
  for await (const chunk of chunks) {
    rows.push(...chunk);
    if (rows.length > TABLE_ROWS_MAX) break;
  }
  const isMore = rows.length > TABLE_ROWS_MAX;
  const shown = rows.slice(0, TABLE_ROWS_MAX);
  const count = shown.length === 1 ? "1 row" : `${shown.length} rows`;
  const end = isMore ? `The first ${count}; --format csv, json or ndjson gives all.` : count;
  yield printable(`${tableText(columns, shown)}\n(${end})\n`);
}

async function* csv({ columns, chunks }: Answer): AsyncGenerator<string> {
  yield csvLine(columns);
  for await (const chunk of chunks) yield chunk.map(csvLine).join("");
}

/** An array, a row a line. An answer that breaks off has no end, so that nobody takes it for a whole one. */
async function* json({ columns, chunks }: Answer): AsyncGenerator<string> {
  let before = "[\n";
  for await (const chunk of chunks) {
    yield before + chunk.map((row) => jsonRow(columns, row)).join(",\n");
    before = ",\n";
  }
  yield before === "[\n" ? "[]\n" : "\n]\n";
}

async function* ndjson({ columns, chunks }: Answer): AsyncGenerator<string> {
  for await (const chunk of chunks) yield chunk.map((row) => `${jsonRow(columns, row)}\n`).join("");
}
