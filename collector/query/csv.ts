import { type Cell } from "./cell.ts";
import { plainText } from "./json-text.ts";

/** A line of CSV (RFC 4180). NULL is empty, and empty text is "". */
export function csvLine(row: readonly Cell[]): string {
  return `${row.map(csvField).join(",")}\r\n`;
}

function csvField(cell: Cell): string {
  if (cell === null) return "";
  const text = plainText(cell);
  return text === "" || /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
