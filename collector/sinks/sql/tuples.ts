import { newestBy } from "../newest.ts";
import type { Row } from "../row.ts";
import { bytesLiteral, doubleLiteral, nullableText, textLiteral, timeLiteral } from "./literals.ts";
import { columnsOf, type TableName } from "./schema.ts";

/**
 * Readings of a record that `id` of `paddock_readings` leaves room for; a frame has at most 60 KiB and a reading of it
 * three bytes or more. It begins at 1, as ids do.
 */
export const PARTS = 65_536;

/** `INSERT INTO t (columns) VALUES `, to be followed by tuples. */
export function insertHead(table: TableName): string {
  return `INSERT INTO ${table} (${columnsOf(table)
    .map((name) => `\`${name}\``)
    .join(",")}) VALUES `;
}

/** Columns that say what was measured, the same in readings and latest. */
function valueOf({ number, exact, whyNoNumber, text: words, flag }: Row): string {
  if (words === null && flag === null && exact === null && whyNoNumber === null) {
    // A server's double knows no minus before a zero.
    if (number !== null && number !== 0) return `${doubleLiteral(number)},NULL,NULL,NULL,NULL`;
  }
  const told = Object.is(number, -0) ? "-0" : exact;
  const digits = number === null ? "NULL" : doubleLiteral(number);
  return `${digits},${nullableText(told)},${nullableText(whyNoNumber)},${nullableText(words)},${flag === null ? "NULL" : Number(flag)}`;
}

function finite(number: number | null): string {
  return number === null || !Number.isFinite(number) ? "NULL" : doubleLiteral(number);
}

export function readingTuple(row: Row, channelId: number): string {
  const { offset, part, data, contentFormat } = row;
  const time = timeLiteral(row.timeUs);
  const payload = data === null ? "NULL" : bytesLiteral(data);
  const numbers = `${finite(row.sum)},${finite(row.updateS)}`;
  const times = `'${row.timeBy}','${row.clock}',${timeLiteral(row.arrivedMs * 1000)}`;
  const place = `'${row.lane}',${row.epoch},${row.seq},${row.index},${row.boot},${row.monotonicUs}`;
  return `(${offset}*${PARTS}+${part + 1},${offset},${part},${channelId},${time},${valueOf(row)},${payload},${nullableText(contentFormat)},${numbers},${times},${place})`;
}

export function latestTuple(row: Row, channelId: number): string {
  const times = `'${row.timeBy}',${timeLiteral(row.arrivedMs * 1000)},${timeLiteral(row.timeUs)}`;
  return `(${channelId},${valueOf(row)},${times},${row.part},${row.offset},${timeLiteral(newestBy(row))})`;
}

export function undatedTuple({ gateway, boot, offset, part }: Row): string {
  return `(${textLiteral(gateway)},${boot},${offset},${part})`;
}
