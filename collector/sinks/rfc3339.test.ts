import { expect, test } from "vitest";
import { rfc3339 } from "./rfc3339.ts";

test.each([
  [0, "1970-01-01T00:00:00.000000Z"],
  [-1, "1969-12-31T23:59:59.999999Z"],
  [1_000_001, "1970-01-01T00:00:01.000001Z"],
  [-1_500, "1969-12-31T23:59:59.998500Z"],
])("%d µs is %s", (timeUs, text) => {
  expect(rfc3339(timeUs)).toBe(text);
});
