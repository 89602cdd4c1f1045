import { expect, test } from "vitest";
import { compareVersions, isVersion } from "./version.ts";

test("a candidate comes before its release, and numbers count as numbers", () => {
  const sorted = ["0.9.10", "1.0.0~rc1", "1.0.0~rc2", "1.0.0~rc10", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"];
  expect(sorted.toReversed().toSorted(compareVersions)).toEqual(sorted);
  expect(compareVersions("1.2.3~rc4", "1.2.3~rc4")).toBe(0);
});

test.each([
  "1.0",
  "1.0.0-rc.1",
  "1.0.0+build",
  "01.0.0",
  "1.0.0~rc0",
  "1.0.0\n",
  "",
  "1.0.0~rc1234567890",
  "1111111.1111111.11111111",
])("%j is no version", (text) => {
  expect(isVersion(text)).toBe(false);
});
