import type { Row } from "../row.ts";

/** A row of a number, with what a test does not care about filled in. */
export function testRow(change: Partial<Row> = {}): Row {
  return {
    offset: 0,
    part: 0,
    gateway: "07".repeat(32),
    lane: "telemetry",
    epoch: 0,
    seq: 0,
    index: 0,
    source: "barn",
    name: "barn/temperature",
    unit: "Cel",
    number: 21.5,
    exact: null,
    whyNoNumber: null,
    text: null,
    flag: null,
    data: null,
    contentFormat: null,
    sum: null,
    updateS: null,
    timeUs: 1_760_000_000_000_000,
    timeBy: "sensor",
    clock: "synchronised",
    arrivedMs: 1_760_000_000_500,
    boot: 1,
    monotonicUs: 5_000_000,
    ...change,
  };
}
