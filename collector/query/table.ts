import { printable } from "@paddock/base/printable.ts";
import { type Cell, DecimalCell } from "./cell.ts";
import { plainText } from "./json-text.ts";

/** A longer cell is cut; a gateway's id, 64 digits, is not. */
const CELL_WIDTH_MAX = 80;

const NUMERIC = new Set(["number", "bigint"]);

/** The rows as a table for people, columns aligned, numbers to the right; no cell has a line feed or control character. */
export function tableText(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const heads = columns.map(shown);
  const texts = rows.map((row) => row.map((cell) => (cell === null ? "NULL" : shown(plainText(cell)))));
  const widths = heads.map((head, index) => Math.max(...[head, ...texts.map((row) => row[index]!)].map(widthOf)));
  const isRight = heads.map((_, index) => rows.some((row) => isNumeric(row[index]!)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => padded(cell, widths[index]!, isRight[index]!))
      .join("  ")
      .trimEnd();
  return [line(heads), widths.map((width) => "-".repeat(width)).join("  "), ...texts.map(line)].join("\n");
}

function isNumeric(cell: Cell): boolean {
  return NUMERIC.has(typeof cell) || cell instanceof DecimalCell;
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });

function lettersOf(text: string): string[] {
  return Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
}

function shown(text: string): string {
  const oneLine = printable(text.replaceAll(/[\n\r\t]/gu, (character) => NAMED[character]!));
  const letters = lettersOf(oneLine);
  return letters.length > CELL_WIDTH_MAX ? `${letters.slice(0, CELL_WIDTH_MAX - 1).join("")}…` : oneLine;
}

function padded(text: string, width: number, isRight: boolean): string {
  const space = " ".repeat(width - widthOf(text));
  return isRight ? space + text : text + space;
}

const WIDE = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}/u;

/** Columns of a terminal. */
function widthOf(text: string): number {
  return lettersOf(text).reduce((width, letter) => width + (WIDE.test(letter) ? 2 : 1), 0);
}
