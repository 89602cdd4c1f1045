import type { Ranges } from "@paddock/base/ranges.ts";
import { fc } from "./fast-check.ts";

/** Sorted, disjoint, non-adjacent ranges, as receipts have them. */
export const normalRanges: fc.Arbitrary<Ranges> = fc
  .array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 12 })
  .map((steps) => {
    let next = 0;
    return steps.map(([gap, length]) => {
      const first = next + gap;
      next = first + length + 2;
      return [first, first + length] as const;
    });
  });
