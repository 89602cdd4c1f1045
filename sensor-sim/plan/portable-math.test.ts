import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { logarithmOfShare, sineOfTurns } from "./portable-math.ts";

test("the sine of turns is the sine", () => {
  fc.assert(
    fc.property(fc.double({ min: -1000, max: 1000, noNaN: true }), (turns) => {
      const exact = Math.sin((turns - Math.round(turns)) * 2 * Math.PI);
      expect(Math.abs(sineOfTurns(turns) - exact)).toBeLessThan(1e-15);
    }),
  );
  for (const [turns, sine] of [
    [0.25, 1],
    [0.5, 0],
    [-0.75, 1],
    [1e6, 0],
  ] as const) {
    expect(Math.abs(sineOfTurns(turns) - sine)).toBeLessThan(1e-15);
  }
});

test("the logarithm of a share is the logarithm, down to the smallest number there is", () => {
  const share = fc.oneof(fc.double({ min: 2 ** -53, max: 1, noNaN: true }), fc.constantFrom(Number.MIN_VALUE, 0.5, 1));
  fc.assert(
    fc.property(share, (value) => {
      const exact = Math.log(value);
      expect(Math.abs(logarithmOfShare(value) - exact)).toBeLessThanOrEqual(4e-16 * Math.max(1, Math.abs(exact)));
    }),
  );
  expect(logarithmOfShare(1)).toBe(0);
});

/** What ECMAScript defines to the last bit, or what is exact by its nature. */
const EXACT = new Set("abs ceil clz32 floor imul max min round sign sqrt trunc PI LN2 SQRT1_2".split(" "));

test("no frame or time of a plan comes from a function that engines may round as they like", async () => {
  const used = new Map<string, string>();
  for await (const file of glob("*.ts", { cwd: import.meta.dirname })) {
    if (file.endsWith(".test.ts")) continue;
    const code = (await readFile(join(import.meta.dirname, file), "utf8")).replaceAll(/\/\*.*?\*\/|\/\/.*?$/gmsu, "");
    for (const [, name] of code.matchAll(/\bMath\.(\w+)/gu)) used.set(name!, file);
  }
  expect(used.size).toBeGreaterThan(3);
  expect([...used].filter(([name]) => !EXACT.has(name))).toEqual([]);
});
