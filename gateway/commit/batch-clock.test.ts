import { expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import { BatchClock } from "./batch-clock.ts";
import { OpenBatch } from "./open-batch.ts";

/** A clock of a lane whose wall time and quality the test sets. */
function stand(start: { wallMs: number; quality: ClockQuality }) {
  const now = { ...start };
  const clock = new VirtualClock();
  clock.wallMs = () => now.wallMs;
  const batchClock = new BatchClock(clock, { quality: () => now.quality });
  const begin = (receivedUs = 0) => {
    const batch = new OpenBatch();
    const step = batchClock.begin(batch, receivedUs);
    return { step, wallMs: batch.wallMs, quality: batch.clock };
  };
  return { now, begin };
}

test("the first batch has no step before it, an even clock has none at all", () => {
  const { now, begin } = stand({ wallMs: 1000, quality: 1 });
  expect(begin()).toEqual({ step: undefined, wallMs: 1000, quality: 1 });
  now.wallMs += 100;
  expect(begin().step).toBeUndefined();
});

test("a wall clock that jumped, either way, is told with what it was and is", () => {
  const { now, begin } = stand({ wallMs: 1_000_000, quality: 2 });
  begin();
  now.wallMs += 60_000;
  expect(begin().step).toEqual({ before: 1_000_000, after: 1_060_000 });
  now.wallMs -= 90_000;
  expect(begin().step).toEqual({ before: 1_060_000, after: 970_000 });
  expect(begin().step).toBeUndefined();
});

test("a clock that becomes better is told though it did not jump, one that becomes worse is not", () => {
  const { now, begin } = stand({ wallMs: 5000, quality: 1 });
  begin();
  now.quality = 2;
  expect(begin()).toEqual({ step: { before: 5000, after: 5000 }, wallMs: 5000, quality: 2 });
  now.quality = 0;
  expect(begin().step).toBeUndefined();
});
