import type { Row } from "../sinks/row.ts";
import type { RowChunk } from "../sinks/sink.ts";

export const TEST_GATEWAY = "07".repeat(32);
const TEST_LOG = "0123456789abcdef0123456789abcdef";
const FIRST_US = 1_760_000_000_000_000;

/** A number of a sensor called barn; what is not given follows from the log offset. */
export function testRow(row: Partial<Row> & Pick<Row, "offset">): Row {
  const { offset } = row;
  const timeUs = FIRST_US + offset * 1000;
  return {
    part: 0,
    gateway: TEST_GATEWAY,
    lane: "telemetry",
    epoch: 2,
    seq: offset,
    index: 0,
    source: "barn",
    name: "b/t",
    unit: "Cel",
    number: 20 + offset / 8,
    exact: null,
    whyNoNumber: null,
    text: null,
    flag: null,
    data: null,
    contentFormat: null,
    sum: null,
    updateS: null,
    timeUs,
    timeBy: "sensor",
    clock: "synchronised",
    arrivedMs: Math.ceil((row.timeUs ?? timeUs) / 1000) + 500,
    boot: 3,
    monotonicUs: 5_000_000 + offset,
    ...row,
  };
}

/** A chunk of these rows, with its place right behind `to`. */
export function testChunk(from: number, to: number, rest: Partial<RowChunk> = {}): RowChunk {
  const place = { offset: to, updated: 1_760_000_123_456, log: TEST_LOG, behind: `behind ${to}` };
  return { from, rows: [], deadLetters: [], missing: [], datings: [], place, sites: new Map(), ...rest };
}

/** One row of `testRow` at each log offset from `from` to right before `to`. */
export function testRows(from: number, to: number, more: (offset: number) => Partial<Row> = () => ({})): Row[] {
  return Array.from({ length: to - from }, (_, index) => testRow({ offset: from + index, ...more(from + index) }));
}
