import type { Row } from "../row.ts";
import type { RowChunk } from "../sink.ts";

/** A row of one reading at a log offset, the same every time. */
export function testRow(offset: number, more: Partial<Row> = {}): Row {
  return {
    offset,
    part: 0,
    gateway: "ab".repeat(32),
    lane: "telemetry",
    epoch: 0,
    seq: offset,
    index: 0,
    source: `mote-${offset % 7}`,
    name: `urn:dev:mote:${offset % 7}:temperature`,
    unit: "Cel",
    number: offset / 8,
    exact: null,
    whyNoNumber: null,
    text: null,
    flag: null,
    data: null,
    contentFormat: null,
    sum: null,
    updateS: null,
    timeUs: 1_700_000_000_000_000 + offset,
    timeBy: "sensor",
    clock: "synchronised",
    arrivedMs: 1_700_000_000_000,
    boot: 1,
    monotonicUs: offset,
    ...more,
  };
}

/** The chunk of such rows from one offset to before another. */
export function testChunk(from: number, to: number, more: Partial<RowChunk> = {}): RowChunk {
  return {
    from,
    rows: Array.from({ length: to - from }, (_, index) => testRow(from + index)),
    deadLetters: [],
    missing: [],
    datings: [],
    place: { offset: to, updated: 1_700_000_000_000, log: "0".repeat(32), behind: null },
    sites: new Map([["ab".repeat(32), "north"]]),
    ...more,
  };
}
