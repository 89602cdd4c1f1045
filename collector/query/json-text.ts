import { type Cell, DecimalCell, StructCell } from "./cell.ts";

/**
 * A cell as JSON (RFC 8259). Whole numbers beyond ±(2^53 - 1) and decimals of more than 15 digits are text, because most readers
 * would round them without a word (RFC 7493 §2.2); NaN and infinities are text, because JSON has none. Control and format characters are
 * escaped, so that no terminal obeys them.
 */
export function jsonOf(cell: Cell): string {
  if (cell === null || typeof cell === "boolean") return String(cell);
  if (typeof cell === "string") return jsonText(cell);
  if (typeof cell === "number") return Number.isFinite(cell) ? numberText(cell) : `"${cell}"`;
  if (typeof cell === "bigint") return isSafe(cell) ? String(cell) : `"${cell}"`;
  if (cell instanceof DecimalCell) return digitsOf(cell.text) <= 15 ? cell.text : `"${cell.text}"`;
  if (cell instanceof StructCell) {
    return `{${cell.entries.map(([name, value]) => `${jsonText(name)}:${jsonOf(value)}`).join(",")}}`;
  }
  return `[${cell.map(jsonOf).join(",")}]`;
}

/** A row as a JSON object, its columns in their order. */
export function jsonRow(columns: readonly string[], row: readonly Cell[]): string {
  return jsonOf(new StructCell(columns.map((name, index) => [name, row[index]!])));
}

/** The shortest text that reads back as the same double, and -0 as -0. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A cell as plain text, for CSV and tables; NULL is not plain text. */
export function plainText(cell: Exclude<Cell, null>): string {
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return numberText(cell);
  if (cell instanceof DecimalCell) return cell.text;
  return typeof cell === "object" ? jsonOf(cell) : String(cell);
}

function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll(/[\p{Cc}\p{Cf}]/gu, escaped);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
}

function digitsOf(text: string): number {
  return text.replaceAll(/\D/gu, "").replace(/^0+/u, "").length;
}
