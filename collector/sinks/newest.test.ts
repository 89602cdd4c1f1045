import { describe, expect, test } from "vitest";
import { fc } from "@paddock/wire/testing/fast-check.ts";
import { channelKey, isNewer, newestBy, orderOf } from "./newest.ts";

const age = fc.record({
  timeUs: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })),
  arrivedMs: fc.oneof(fc.nat({ max: 4_000_000_000_000 }), fc.constant(0)),
  offset: fc.oneof(fc.maxSafeNat(), fc.nat({ max: 3 })),
  part: fc.nat({ max: 999_999 }),
});

describe("which of two readings is newer", () => {
  test("the later time, at one time the later place in the log; a time after its arrival is that of its arrival", () => {
    const base = { timeUs: 20_000, arrivedMs: 100, offset: 5, part: 1 };
    expect(isNewer({ ...base, timeUs: 20_001, offset: 1 }, base)).toBe(true);
    expect(isNewer({ ...base, offset: 6, part: 0 }, base)).toBe(true);
    expect(isNewer({ ...base, part: 2 }, base)).toBe(true);
    expect(isNewer(base, base)).toBe(false);
    const wild = { ...base, timeUs: 4_000_000_000_000_000, offset: 7 };
    expect(newestBy(wild)).toBe(100_000);
    expect(isNewer({ ...base, timeUs: 150_000, arrivedMs: 200, offset: 8 }, wild)).toBe(true);
  });

  test("as text it is the same, in 41 characters", () => {
    fc.assert(
      fc.property(age, age, (left, right) => {
        const [a, b] = [orderOf(left), orderOf(right)];
        expect(a > b).toBe(isNewer(left, right));
        expect(a < b).toBe(isNewer(right, left));
        expect(a).toHaveLength(41);
      }),
    );
  });
});

test("no two channels have one key, whatever characters ids and names have", () => {
  const gateway = "07".repeat(32);
  expect(channelKey({ gateway, source: "barn", name: "a:b" })).toBe(`${gateway}:barn:a:b`);
  expect(channelKey({ gateway, source: "[fd00::1]:56", name: "t" })).toBe(`${gateway}:[fd00%3A%3A1]%3A56:t`);
  const text = fc.string({ unit: fc.constantFrom("a", ":", "%", "3", "A") });
  fc.assert(
    fc.property(text, text, text, text, (source, name, otherSource, otherName) => {
      const same = source === otherSource && name === otherName;
      const [one, other] = [
        channelKey({ gateway, source, name }),
        channelKey({ gateway, source: otherSource, name: otherName }),
      ];
      expect(one === other).toBe(same);
    }),
    { numRuns: 2000 },
  );
});
