import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import {
  leavingTimes,
  leftAtMs,
  p95,
  SILENT_LONG_PATHS,
  SILENT_PATHS,
  SLOW_PATHS,
  twoPaths,
} from "./testing/silence-cases.ts";

/** Chances of loss that each case is tried with, for paths that are left and for those that are not. */
const [LEFT_SEEDS, STAYING_SEEDS] = [scaled(20), scaled(6)];

describe("a path that its watcher finds up", () => {
  test.each(SILENT_PATHS)("is left within 3 s at p95: $what", (one) => {
    expect(p95(leavingTimes(one, LEFT_SEEDS, 8000))).toBeLessThan(3000);
  });

  test.each(SILENT_LONG_PATHS)("is left within 5 s at p95: $what", (one) => {
    expect(p95(leavingTimes(one, LEFT_SEEDS, 8000))).toBeLessThan(5000);
  });

  test.each(SLOW_PATHS)("is not left: $what", (one) => {
    expect(new Set(leavingTimes(one, STAYING_SEEDS, 25_000))).toEqual(new Set([Number.POSITIVE_INFINITY]));
  });

  test("is not left for a collector that has stopped answering on all of them", () => {
    const simulation = twoPaths({ oneWayMs: 10, loss: 0 }, 1);
    simulation.answers = false;
    // The watchdog leaves it after twice 5 s; silence alone does not.
    expect(leftAtMs(simulation.pass(9000))).toEqual([]);
  });

  test("and carries one frame now and then, is left as well", () => {
    const link = { oneWayMs: 10, loss: 0 };
    const simulation = twoPaths(link, 3, 0).pass(500);
    link.loss = 1;
    const fromMs = simulation.nowMs;
    expect(leftAtMs(simulation.pass(3000))[0]! - fromMs).toBeLessThan(2000);
    expect(simulation.reports.at(-1)).toBeDefined();
  });
});
