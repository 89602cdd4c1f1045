import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesLiteral, doubleLiteral, msOfTime, textLiteral, timeLiteral } from "./literals.ts";

describe("text", () => {
  test.each([
    ["barn 7", "'barn 7'"],
    ["it's", "'it\\'s'"],
    ["a\\", "'a\\\\'"],
    ["a\0b", "'a\\0b'"],
    ["'; DROP TABLE x; --", "'\\'; DROP TABLE x; --'"],
    ["ünï 🐄", "'ünï 🐄'"],
  ])("%j is %s", (text, literal) => {
    expect(textLiteral(text)).toBe(literal);
  });

  test("only its own end ends it, whatever is in it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("'", "\\", "\0", "a", "\n", "🐄", '"', "%")), (characters) => {
        const literal = textLiteral(characters.join(""));
        const read = /^'((?:[^'\\\0]|\\[^])*)'$/u.exec(literal)?.[1];
        expect(read?.replace(/\\([^])/gu, (_, next: string) => (next === "0" ? "\0" : next))).toBe(characters.join(""));
      }),
    );
  });
});

test("bytes are those of the view, not of what it looks into", () => {
  expect(bytesLiteral(Buffer.from("00ff27aa", "hex").subarray(1, 3))).toBe("x'ff27'");
});

test.each([
  [21.5, "21.5e0"],
  [-3, "-3e0"],
  [5e-324, "5e-324"],
  [1e21, "1e+21"],
])("%d is a double at once: %s", (number, literal) => {
  expect(doubleLiteral(number)).toBe(literal);
});

describe("times", () => {
  test.each([
    [0, "'1970-01-01 00:00:00.000000'"],
    [-1, "'1969-12-31 23:59:59.999999'"],
    [1_760_000_000_123_456, "'2025-10-09 08:53:20.123456'"],
    [Number.MAX_SAFE_INTEGER, "'2255-06-05 23:47:34.740991'"],
    [Number.MIN_SAFE_INTEGER, "'1684-07-28 00:12:25.259009'"],
  ])("%d µs is %s", (timeUs, literal) => {
    expect(timeLiteral(timeUs)).toBe(literal);
  });

  test("each µs has a text of its own, in the order of time, that leads back", () => {
    const anyUs = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER - 1 });
    fc.assert(
      fc.property(anyUs, (timeUs) => {
        const literal = timeLiteral(timeUs);
        expect(literal < timeLiteral(timeUs + 1)).toBe(true);
        expect(msOfTime(literal.slice(1, -1))).toBe(Math.floor(timeUs / 1000));
      }),
    );
  });
});
