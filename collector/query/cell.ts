import type { DuckDBValue } from "@duckdb/node-api";
import type { DuckDB } from "./duckdb.ts";

/** A value of an answer as every format takes it. Times, blobs and what has no kind of its own are text by now. */
export type Cell = null | boolean | number | bigint | string | DecimalCell | readonly Cell[] | StructCell;

/** A decimal fraction, exact. */
export class DecimalCell {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Fields in their order. */
export class StructCell {
  readonly entries: readonly (readonly [name: string, value: Cell])[];

  constructor(entries: readonly (readonly [name: string, value: Cell])[]) {
    this.entries = entries;
  }
}

/**
 * A value of DuckDB as a cell, nothing of it lost: times as ISO 8601 with microseconds, with Z where they are instants and without
 * where they are wall-clock readings; blobs as base64.
 */
export function cellOf(duckdb: DuckDB, value: DuckDBValue): Cell {
  if (value === null || typeof value !== "object") return value;
  const inner = (one: DuckDBValue): Cell => cellOf(duckdb, one);
  if (value instanceof duckdb.DuckDBTimestampTZValue) return isoOf(value.micros, value, "Z", duckdb);
  if (value instanceof duckdb.DuckDBTimestampValue) return isoOf(value.micros, value, "", duckdb);
  if (value instanceof duckdb.DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  if (value instanceof duckdb.DuckDBDecimalValue) return new DecimalCell(value.toString());
  if (value instanceof duckdb.DuckDBListValue || value instanceof duckdb.DuckDBArrayValue)
    return value.items.map(inner);
  if (value instanceof duckdb.DuckDBStructValue) {
    return new StructCell(Object.entries(value.entries).map(([name, one]) => [name, inner(one)]));
  }
  if (value instanceof duckdb.DuckDBMapValue) {
    const entry = (key: Cell, held: Cell) =>
      new StructCell([
        ["key", key],
        ["value", held],
      ]);
    return value.entries.map(({ key, value: held }) => entry(inner(key), inner(held)));
  }
  if (value instanceof duckdb.DuckDBUnionValue) return inner(value.value);
  return value.toString();
}

/** Microseconds of ±8.64e15 ms, which is as far as ISO 8601 goes here: the years -271821 to 275760. */
const ISO_MICROS_MAX = 8_640_000_000_000_000_000n;

function isoOf(micros: bigint, value: { toString(): string }, zone: string, duckdb: DuckDB): string {
  if (micros === duckdb.DuckDBTimestampTZValue.PosInf.micros) return "infinity";
  if (micros === duckdb.DuckDBTimestampTZValue.NegInf.micros) return "-infinity";
  if (micros > ISO_MICROS_MAX || micros < -ISO_MICROS_MAX) return value.toString();
  const below = ((micros % 1000n) + 1000n) % 1000n;
  const iso = new Date(Number((micros - below) / 1000n)).toISOString();
  return `${iso.slice(0, -1)}${below.toString().padStart(3, "0")}${zone}`;
}
