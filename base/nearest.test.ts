import { expect, test } from "vitest";
import { nearestName } from "./nearest.ts";

const LINK = ["name", "listen", "target", "delay", "jitter", "loss", "rateBitPerS"];

test.each([
  ["rate", "rateBitPerS"],
  ["Rate", "rateBitPerS"],
  ["nmae", "name"],
  ["dela", "delay"],
  // The beginning of more than one is no hint by itself, nor is a letter or two.
  ["l", undefined],
  ["colour", undefined],
])("%s: %s", (name, meant) => {
  expect(nearestName(name, LINK)).toBe(meant);
});

test("of several that begin so the closest is meant", () => {
  expect(nearestName("max", ["maxBytes", "maxAge"])).toBeUndefined();
  expect(nearestName("maxByte", ["maxBytes", "maxBytesTotal"])).toBe("maxBytes");
});
