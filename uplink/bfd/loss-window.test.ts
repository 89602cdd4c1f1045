import { expect, test } from "vitest";
import { LossWindow } from "./loss-window.ts";

const S = 1_000_000;

test("too few due is not the same as nothing lost", () => {
  const loss = new LossWindow();
  expect(loss.lostShare(0)).toBeUndefined();
  loss.due(0, 9);
  for (let count = 0; count < 8; count++) loss.arrived(S);
  expect(loss.lostShare(S)).toBeUndefined();
  loss.due(S, 1);
  expect(loss.lostShare(S)).toBeCloseTo(0.2);
});

test("only the last minute counts, and an answer too many is no credit", () => {
  const loss = new LossWindow();
  loss.due(0, 10);
  loss.due(30 * S, 10);
  for (let count = 0; count < 5; count++) loss.arrived(30 * S);
  expect(loss.lostShare(59 * S)).toBeCloseTo(0.75);
  expect(loss.lostShare(60 * S)).toBe(0.5);
  expect(loss.lostShare(90 * S)).toBeUndefined();
  loss.due(91 * S, 10);
  for (let count = 0; count < 11; count++) loss.arrived(91 * S);
  expect(loss.lostShare(91 * S)).toBe(0);
  loss.clear();
  expect(loss.lostShare(91 * S)).toBeUndefined();
});
