import type { Row } from "../row.ts";
import type { RowChunk } from "../sink.ts";
import { testRow } from "./row.ts";

export const TEST_GATEWAY = "07".repeat(32);
const TEST_LOG = "0123456789abcdef0123456789abcdef";
const FIRST_US = 1_760_000_000_000_000;

/** A number of a sensor called barn; what is not given follows from the log offset. */
export function barnRow(row: Partial<Row> & Pick<Row, "offset">): Row {
  const { offset } = row;
  const timeUs = FIRST_US + offset * 1000;
  return testRow({
    epoch: 2,
    seq: offset,
    name: "b/t",
    number: 20 + offset / 8,
    timeUs,
    arrivedMs: Math.ceil((row.timeUs ?? timeUs) / 1000) + 500,
    boot: 3,
    monotonicUs: 5_000_000 + offset,
    ...row,
  });
}

/** A chunk of these rows, with its place right behind `to`. */
export function barnChunk(from: number, to: number, rest: Partial<RowChunk> = {}): RowChunk {
  const place = { offset: to, updated: 1_760_000_123_456, log: TEST_LOG, behind: `behind ${to}` };
  return { from, rows: [], deadLetters: [], missing: [], datings: [], place, sites: new Map(), ...rest };
}

/** One row of `barnRow` at each log offset from `from` to right before `to`. */
export function barnRows(from: number, to: number, more: (offset: number) => Partial<Row> = () => ({})): Row[] {
  return Array.from({ length: to - from }, (_, index) => barnRow({ offset: from + index, ...more(from + index) }));
}
