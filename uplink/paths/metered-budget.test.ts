import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addUsage, budgetLeft, type PathUsage } from "./metered-budget.ts";
import type { MeteredPath } from "./path-config.ts";

const PLAN: MeteredPath = { bytesPerMonth: 1000, billingDay: 1, lanes: [0, 1, 2] };
const NOVEMBER = Date.UTC(2026, 10, 15);
const DECEMBER = Date.UTC(2026, 11, 15);
const FRESH: PathUsage = { monthStartMs: 0, bytes: 0 };

function use(...facts: readonly (readonly [bytes: number, wallMs: number])[]): PathUsage {
  return facts.reduce((usage, [bytes, wallMs]) => addUsage(usage, bytes, wallMs, PLAN), FRESH);
}

describe("the month of a budget", () => {
  test("a new one starts the count again", () => {
    expect(budgetLeft(use([900, NOVEMBER], [10, DECEMBER]), PLAN)).toBe(990);
  });

  test("one moment with a clock that is years ahead changes nothing once it is right again", () => {
    const ahead = use([900, NOVEMBER], [10, Date.UTC(2036, 0, 15)], [5, NOVEMBER]);
    expect(ahead).toMatchObject({ bytes: 915, monthStartMs: Date.UTC(2026, 10, 1) });
    expect(budgetLeft(addUsage(ahead, 0, DECEMBER, PLAN), PLAN)).toBe(1000);
  });

  test("a usage that was stored with such a clock is counted on, and December begins in December", () => {
    const stored = { monthStartMs: Date.UTC(2036, 0, 1), bytes: 700 };
    const right = addUsage(stored, 5, NOVEMBER, PLAN);
    expect(budgetLeft(right, PLAN)).toBe(295);
    expect(budgetLeft(addUsage(right, 0, DECEMBER, PLAN), PLAN)).toBe(1000);
  });

  test("a clock that goes back and comes again gives no budget back", () => {
    const back = use([0, NOVEMBER], [900, DECEMBER], [5, NOVEMBER]);
    expect(budgetLeft(back, PLAN)).toBeLessThanOrEqual(95);
    expect(budgetLeft(addUsage(back, 5, DECEMBER, PLAN), PLAN)).toBe(90);
  });

  test("a clock that was never set begins no month, and what was used before it was set counts", () => {
    const boot = addUsage(use([300, NOVEMBER]), 100, 5000, PLAN);
    expect(budgetLeft(addUsage(boot, 10, NOVEMBER, PLAN), PLAN)).toBe(590);
    expect(budgetLeft(use([100, 5000], [10, NOVEMBER]), PLAN)).toBe(890);
  });

  test("whatever the clock does between two months, what was used in the present one since stays used", () => {
    const fact = fc.tuple(fc.nat(100), fc.constantFrom(5000, NOVEMBER, DECEMBER));
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 20, size: "max" }), (facts) => {
        const usage = [...facts, [0, DECEMBER] as const].reduce(
          (before, [bytes, wallMs]) => addUsage(before, bytes, wallMs, PLAN),
          use([900, DECEMBER]),
        );
        expect(usage.bytes).toBeGreaterThanOrEqual(900);
        const inDecember = facts.filter(([, wallMs]) => wallMs === DECEMBER);
        expect(usage.bytes).toBeGreaterThanOrEqual(900 + inDecember.reduce((sum, [bytes]) => sum + bytes, 0));
      }),
    );
  });
});
