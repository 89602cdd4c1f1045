import type { Row } from "../row.ts";
import type { RowChunk } from "../sink.ts";
import { testRow } from "./row.ts";

/** A row of one reading at a log offset, the same every time. */
export function rowAt(offset: number, more: Partial<Row> = {}): Row {
  return testRow({
    offset,
    gateway: "ab".repeat(32),
    seq: offset,
    source: `mote-${offset % 7}`,
    name: `urn:dev:mote:${offset % 7}:temperature`,
    number: offset / 8,
    timeUs: 1_700_000_000_000_000 + offset,
    arrivedMs: 1_700_000_000_000,
    monotonicUs: offset,
    ...more,
  });
}

/** The chunk of such rows from one offset to before another. */
export function chunkAt(from: number, to: number, more: Partial<RowChunk> = {}): RowChunk {
  return {
    from,
    rows: Array.from({ length: to - from }, (_, index) => rowAt(from + index)),
    deadLetters: [],
    missing: [],
    datings: [],
    place: { offset: to, updated: 1_700_000_000_000, log: "0".repeat(32), behind: null },
    sites: new Map([["ab".repeat(32), "north"]]),
    ...more,
  };
}
