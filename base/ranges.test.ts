import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains, countOf, formatRanges, intersect, isNormal, subtract, union, type Ranges } from "./ranges.ts";

/** The model: a set of small whole numbers. */
const sets = fc.uniqueArray(fc.nat(60), { maxLength: 40 }).map((values) => new Set(values));

function rangesOf(set: ReadonlySet<number>): Ranges {
  const result: [number, number][] = [];
  for (const value of [...set].toSorted((left, right) => left - right)) {
    const last = result.at(-1);
    if (last !== undefined && last[1] === value - 1) last[1] = value;
    else result.push([value, value]);
  }
  return result;
}

describe("ranges agree with sets", () => {
  test("union, subtract and intersect, in normal form", () => {
    fc.assert(
      fc.property(sets, sets, (left, right) => {
        const [a, b] = [rangesOf(left), rangesOf(right)];
        expect(union(a, b)).toEqual(rangesOf(new Set([...left, ...right])));
        expect(subtract(a, b)).toEqual(rangesOf(new Set([...left].filter((value) => !right.has(value)))));
        expect(intersect(a, b)).toEqual(rangesOf(new Set([...left].filter((value) => right.has(value)))));
        for (const result of [union(a, b), subtract(a, b), intersect(a, b)]) expect(isNormal(result)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("contains and countOf", () => {
    fc.assert(
      fc.property(sets, (set) => {
        const ranges = rangesOf(set);
        expect(countOf(ranges)).toBe(set.size);
        for (let value = -1; value <= 62; value++) expect(contains(ranges, value)).toBe(set.has(value));
      }),
    );
  });

  test("arguments stay as they were", () => {
    fc.assert(
      fc.property(sets, sets, (left, right) => {
        const [a, b] = [rangesOf(left), rangesOf(right)];
        union(a, b);
        subtract(a, b);
        intersect(a, b);
        expect([a, b]).toEqual([rangesOf(left), rangesOf(right)]);
      }),
    );
  });
});

test.each([
  [[], true],
  [[[0, 0]], true],
  [
    [
      [0, 1],
      [3, 9],
    ],
    true,
  ],
  [
    [
      [0, 1],
      [2, 9],
    ],
    false,
  ],
  [
    [
      [3, 9],
      [0, 1],
    ],
    false,
  ],
  [
    [
      [0, 5],
      [5, 9],
    ],
    false,
  ],
  [[[5, 4]], false],
  [[[-1, 4]], false],
  [[[0.5, 4]], false],
  [[[0, 2 ** 53]], false],
] as const)("isNormal(%j) is %s", (ranges, normal) => {
  expect(isNormal(ranges as unknown as Ranges)).toBe(normal);
});

test("ranges for people", () => {
  expect(
    formatRanges([
      [0, 0],
      [3, 9],
    ]),
  ).toBe("0, 3..9");
  expect(formatRanges([])).toBe("");
});
