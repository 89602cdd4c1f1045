import type { RowChunk } from "@paddock/collector/sinks/sink.ts";
import { barnChunk, barnRows } from "@paddock/collector/sinks/testing/barn.ts";

const NAMES = ["temperature", "Temperature", "humidity", "door/open"];
/** Sixteenths have an exact sum in whatever order they are added. */
const valueAt = (offset: number): number => (((offset * 7919) % 4001) - 2000) / 16;

/** The chunk that begins at a log offset: always the same rows, from 1 to 400 of them. */
export function rowsAt(from: number): RowChunk {
  const to = from + 1 + ((from * 31) % 400);
  const rows = barnRows(from, to, (offset) => ({ name: nameAt(offset), number: valueAt(offset) }));
  return barnChunk(from, to, { rows });
}

function nameAt(offset: number): string {
  return NAMES[(offset * 13) % NAMES.length]!;
}

/** What `SELECT name, COUNT(*), SUM(value), MAX(log_offset)` has to say of the rows below a log offset, as numbers. */
export function sumsBelow(end: number): ReadonlyMap<string, readonly number[]> {
  const sums = new Map<string, readonly number[]>();
  for (let offset = 0; offset < end; offset++) {
    const [count, sum] = sums.get(nameAt(offset)) ?? [0, 0];
    sums.set(nameAt(offset), [count! + 1, sum! + valueAt(offset), offset]);
  }
  return sums;
}
