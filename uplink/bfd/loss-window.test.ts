import { expect, test } from "vitest";
import { dueInGap, LossWindow } from "./loss-window.ts";

const S = 1_000_000;

test("nothing due is not the same as nothing lost", () => {
  const loss = new LossWindow();
  expect(loss.lostShare(0)).toBeUndefined();
  loss.due(0, 4);
  loss.arrived(0);
  loss.arrived(S);
  loss.arrived(S);
  expect(loss.lostShare(S)).toBe(0.25);
});

test("only the last minute counts, and an answer too many is no credit", () => {
  const loss = new LossWindow();
  loss.due(0, 10);
  loss.due(30 * S, 2);
  loss.arrived(30 * S);
  expect(loss.lostShare(59 * S)).toBeCloseTo(11 / 12);
  expect(loss.lostShare(60 * S)).toBe(0.5);
  expect(loss.lostShare(90 * S)).toBeUndefined();
  loss.due(91 * S, 1);
  loss.arrived(91 * S);
  loss.arrived(91 * S);
  expect(loss.lostShare(91 * S)).toBe(0);
});

test.each([
  [30_000, 1],
  [50_000, 1],
  // Late, not lost.
  [54_000, 1],
  // Jittered to 75 %, two packets could fit in between, but one must have been.
  [100_000, 2],
  [151_000, 3],
])("in a gap of %i µs at 50 ms at least %i packets were due", (gapUs, packets) => {
  expect(dueInGap(gapUs, 50_000)).toBe(packets);
});
