import type { DatingBook } from "../sinks/dating.ts";
import type { DeadLetter } from "../sinks/row.ts";
import { rowLine } from "../sinks/row-line.ts";
import { rowsOfBatch } from "../sinks/rows.ts";
import { hexOf } from "../chain-name.ts";
import type { WholeItem } from "./log-items.ts";
import { renderBatch, renderLoss } from "./log-line.ts";

/** What a piece of the log holds for who wants readings. */
export interface SenmlLines {
  /** NDJSON; empty for the gateway's own records and for packs of base fields alone. */
  readonly text: string;
  /** Frames and records of packs that are no reading. */
  readonly problems: readonly DeadLetter[];
  /** The offset behind what was read. */
  readonly nextOffset: number;
}

/**
 * An item of the log as NDJSON, of its log offsets `from` to `until - 1`: a line for each reading, as `rowsOfBatch` makes
 * them for every use of the data and `rowLine` for every line, and `{"offset","gateway","source","problem"}` for each record that is none. What has no
 * records any more is a line that says why.
 */
export function senmlLines(item: WholeItem, from: number, until: number, book: DatingBook): SenmlLines {
  const nextOffset = Math.min(until, item.offset + item.count);
  if (item.lost !== undefined) return { text: told(renderLoss(item, from, "ndjson").bytes), problems: [], nextOffset };
  book.note(hexOf(item.chain.gateway), item);
  const { rows, deadLetters, isReadable } = rowsOfBatch(item, from, book);
  if (!isReadable) return { text: told(renderBatch(item, from, 1, "ndjson").bytes), problems: [], nextOffset };
  const lines = rows.map((row) => ({ offset: row.offset, line: rowLine(row) }));
  for (const { reason, ...place } of deadLetters) {
    lines.push({ offset: place.offset, line: `${JSON.stringify({ ...place, problem: reason })}\n` });
  }
  const text = lines
    .filter(({ offset }) => offset < until)
    .toSorted((left, right) => left.offset - right.offset)
    .map(({ line }) => line)
    .join("");
  return { text, problems: deadLetters.filter(({ offset }) => offset < until), nextOffset };
}

function told(line: Buffer): string {
  return line.toString("utf8");
}
