import { describe, expect, test } from "vitest";
import { percentile, resumedAfterMs } from "./outage.ts";

/** A batch every 5 ms, but none from `fromMs` to `toMs`. */
function arrivals(fromMs: number, toMs: number): number[] {
  return Array.from({ length: 1000 }, (_, index) => index * 5).filter((ms) => ms <= fromMs || ms >= toMs);
}

describe("the time from a cut to the first batch afterwards", () => {
  test("is counted from the cut, not from the last batch before", () => {
    expect(resumedAfterMs(arrivals(1000, 1150), 1003)).toBe(147);
  });

  test("does not end with what was past the cut already", () => {
    expect(resumedAfterMs(arrivals(1060, 1900), 1000)).toBe(900);
  });

  test("is unknown when nothing comes any more, or nothing before the next cut", () => {
    expect(resumedAfterMs(arrivals(1000, 10_000), 1000)).toBeUndefined();
    expect(resumedAfterMs(arrivals(1000, 3000), 1000, { untilMs: 2500 })).toBeUndefined();
  });

  test("looks at its own cut only, not at a longer pause later", () => {
    const two = arrivals(1000, 1200).filter((ms) => ms <= 3000 || ms >= 4000);
    expect(resumedAfterMs(two, 1000, { untilMs: 3000 })).toBe(200);
  });
});

test("a percentile is one of the values", () => {
  expect(percentile([30, 10, 20], 0.5)).toBe(20);
  expect(percentile([30, 10, 20], 0.95)).toBe(30);
  expect(percentile([], 0.5)).toBeNaN();
});
