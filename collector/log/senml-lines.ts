import type { DatingBook } from "../sinks/dating.ts";
import type { DeadLetter, Row } from "../sinks/row.ts";
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
 * them for every use of the data, and `{"offset","gateway","source","problem"}` for each record that is none. What has no
 * records any more is a line that says why.
 */
export function senmlLines(item: WholeItem, from: number, until: number, book: DatingBook): SenmlLines {
  const nextOffset = Math.min(until, item.offset + item.count);
  if (item.lost !== undefined) return { text: told(renderLoss(item, from, "ndjson").bytes), problems: [], nextOffset };
  book.note(hexOf(item.chain.gateway), item);
  const { rows, deadLetters, isReadable } = rowsOfBatch(item, from, book);
  if (!isReadable) return { text: told(renderBatch(item, from, 1, "ndjson").bytes), problems: [], nextOffset };
  const lines: { offset: number; line: object }[] = rows.map((row) => ({ offset: row.offset, line: plain(row) }));
  for (const { reason, ...place } of deadLetters) {
    lines.push({ offset: place.offset, line: { ...place, problem: reason } });
  }
  const text = lines
    .filter(({ offset }) => offset < until)
    .toSorted((left, right) => left.offset - right.offset)
    .map(({ line }) => `${JSON.stringify(line)}\n`)
    .join("");
  return { text, problems: deadLetters.filter(({ offset }) => offset < until), nextOffset };
}

function told(line: Buffer): string {
  return line.toString("utf8");
}

/** What is absent is left out. */
function plain(row: Row): object {
  const { offset, gateway, source, name, timeBy, clock } = row;
  return {
    offset,
    gateway,
    source,
    time: row.timeUs / 1e6,
    timeBy,
    clock,
    name,
    unit: row.unit ?? undefined,
    value: row.number ?? row.text ?? row.flag ?? (row.data === null ? undefined : textOf(row.data)),
    exact: row.exact ?? undefined,
    whyNoNumber: row.whyNoNumber ?? undefined,
    contentFormat: row.contentFormat ?? undefined,
    sum: row.sum ?? undefined,
    updateTime: row.updateS ?? undefined,
  };
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data).toString("base64url");
}
