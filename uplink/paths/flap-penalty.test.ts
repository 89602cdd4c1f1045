import { expect, test } from "vitest";
import { addFlap, FLAP_SETTINGS, type FlapState, NO_FLAPS, penaltyAt, reuseAtMs, settleFlaps } from "./flap-penalty.ts";

function flapping(times: number, everyMs: number): FlapState {
  let state = NO_FLAPS;
  for (let flap = 0; flap < times; flap++) state = addFlap(state, flap * everyMs, FLAP_SETTINGS);
  return state;
}

test("the third failure suppresses when all fall within 168 s, evenly spaced, and not when they take longer", () => {
  expect(flapping(3, 84_000).suppressed).toBe(true);
  expect(flapping(3, 85_000).suppressed).toBe(false);
  expect(flapping(2, 0).suppressed).toBe(false);
});

test("RFC 2439 4.2: however often it failed, a path is held back for no longer than the ceiling takes to decay", () => {
  const { ceiling, reuse, halfLifeMs } = FLAP_SETTINGS;
  const longestMs = halfLifeMs * Math.log2(ceiling / reuse);
  const state = flapping(500, 100);
  expect(penaltyAt(state, state.atMs, FLAP_SETTINGS)).toBe(ceiling);
  expect(reuseAtMs(state, FLAP_SETTINGS) - state.atMs).toBeLessThanOrEqual(Math.ceil(longestMs));
  expect(longestMs).toBeLessThan(800_000);
  expect(settleFlaps(state, state.atMs + longestMs + 1, FLAP_SETTINGS).suppressed).toBe(false);
});
