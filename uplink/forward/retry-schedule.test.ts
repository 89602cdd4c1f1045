import * as fc from "fast-check";
import { seededRandom } from "@paddock/base/random.ts";
import { expect, test } from "vitest";
import { afterFailure, RESTED } from "./retry-schedule.ts";

const BOUNDS = { firstMs: 250, capMs: 30_000 };

test("the ceiling doubles up to the cap, and delays are drawn from its upper half", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 50 }), (seed, failures) => {
      const random = seededRandom(seed);
      let state = RESTED;
      for (let failure = 1; failure <= failures; failure++) {
        state = afterFailure(state, BOUNDS, random);
        const ceilingMs = Math.min(BOUNDS.capMs, BOUNDS.firstMs * 2 ** (failure - 1));
        expect(state.attempts).toBe(failure);
        expect(state.delayMs).toBeGreaterThanOrEqual(ceilingMs / 2);
        expect(state.delayMs).toBeLessThanOrEqual(ceilingMs);
      }
    }),
  );
});

test("gateways that fail together part ways", () => {
  const delays = Array.from({ length: 50 }, (_, seed) => {
    const random = seededRandom(seed);
    let state = RESTED;
    for (let failure = 0; failure < 20; failure++) state = afterFailure(state, BOUNDS, random);
    return state.delayMs;
  });
  expect(new Set(delays).size).toBeGreaterThan(45);
});
