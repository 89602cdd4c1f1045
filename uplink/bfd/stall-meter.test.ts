import { expect, test } from "vitest";
import { holdableIntervalUs } from "./ladder.ts";
import { PROFILES, sessionBytes } from "./profiles.ts";
import { StallMeter } from "./stall-meter.ts";

const MS = 1000;

test("lateness goes into buckets and the worst is kept", () => {
  const meter = new StallMeter();
  for (const lateMs of [0, 0.5, 1, 7, 1500]) meter.note(0, lateMs * MS);
  expect(meter.report(0)).toMatchObject({ samples: 5, buckets: [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1], worstMs: 1500 });
});

test("a stall is found for the time in which it happened, and forgotten after it", () => {
  const meter = new StallMeter();
  meter.note(10_000 * MS, 10_080 * MS);
  expect(meter.worstSinceUs(10_050 * MS, 10_100 * MS)).toBe(80 * MS);
  expect(meter.worstSinceUs(10_081 * MS, 10_100 * MS)).toBe(0);
  expect(meter.worstOfLastUs(60, 60_000 * MS)).toBe(80 * MS);
  expect(meter.worstOfLastUs(60, 71_000 * MS)).toBe(0);
});

test("a stall that goes on shows through the heartbeat that has not come", () => {
  const meter = new StallMeter();
  meter.expectHeartbeat(1000 * MS);
  expect(meter.worstSinceUs(0, 1001 * MS)).toBe(0);
  expect(meter.worstSinceUs(0, 1250 * MS)).toBe(250 * MS);
});

test.each([
  // configured, mult, worst stall -> interval, all in milliseconds
  [50, 3, 0, 50],
  [50, 3, 75, 50],
  [50, 3, 76, 100],
  [10, 3, 16, 20],
  [10, 3, 160, 1000],
  [300, 3, 400, 300],
  [300, 3, 500, 1000],
  [300, 3, 5000, 10_000],
  [300, 3, 60_000, 10_000],
  [60_000, 3, 200_000, 60_000],
  [100, 1, 80, 1000],
])("%i ms x%i with stalls of %i ms is held at %i ms", (configured, mult, stall, held) => {
  expect(holdableIntervalUs(configured * MS, mult, stall * MS)).toBe(held * MS);
});

test("what profiles cost in a month of 30 days", () => {
  // Without jitter 300 ms would be 1.24 GB.
  expect(sessionBytes(PROFILES.steady.intervalMs) / 1e9).toBeCloseTo(1.422, 3);
  expect(sessionBytes(PROFILES.fast.intervalMs) / 1e9).toBeCloseTo(8.531, 3);
  expect(sessionBytes(PROFILES.slow.intervalMs) / 1e6).toBeCloseTo(42.66, 2);
});
