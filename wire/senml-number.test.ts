import { describe, expect, test } from "vitest";
import { fc } from "./testing/fast-check.ts";
import { SLOT_UPDATE_TIME, SLOTS } from "./senml-fields.ts";
import { numberAt } from "./senml-number.ts";
import { forgetBaseNumbers, slotBeyondDoubles } from "./senml-sums.ts";

/** The number that starts behind a byte of something else. */
function numberOf(hex: string): number {
  return numberAt(Buffer.from(`ff${hex}`, "hex"), 1);
}

describe("a number of SenML", () => {
  // RFC 8949 Appendix A, and the edges of each length.
  test.each([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["18ff", 255],
    ["190100", 256],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1bffffffffffffffff", 2 ** 64],
    ["20", -1],
    ["3863", -100],
    ["3903e7", -1000],
    ["3bffffffffffffffff", -(2 ** 64)],
    ["f93c00", 1],
    ["f93e00", 1.5],
    ["f9c400", -4],
    ["f90001", 5.960_464_477_539_063e-8],
    ["fa47c35000", 100_000],
    ["fac0500000", -3.25],
    ["fb3ff199999999999a", 1.1],
    ["fbc010666666666666", -4.1],
    ["c4822119090b", 23.15],
    ["c48221390102", -2.59],
    ["c4820119ffff", 655_350],
    ["c48221c24102", 0.02],
    ["c48200c249010000000000000000", 2 ** 64],
    ["c48200c349010000000000000000", -(2 ** 64)],
    ["c48200c240", 0],
    ["c48200c340", -1],
  ])("%s is %d", (hex, number) => {
    expect(numberOf(hex)).toBe(number);
  });

  test("is infinite beyond the doubles", () => {
    expect(numberOf("c48219270f01")).toBe(Infinity);
    expect(numberOf("c48219270f20")).toBe(-Infinity);
  });

  test("is the double that a fraction's decimal text is nearest to", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 23 }), (mantissa, places) => {
        const exponent = places === 0 ? "00" : Buffer.from([0x20 + places - 1]).toString("hex");
        const hex = `c482${exponent}19${mantissa.toString(16).padStart(4, "0")}`;
        expect(numberOf(hex)).toBe(Number(`${mantissa}e-${places}`));
      }),
    );
  });
});

test("an update time that a record does not have is not looked for where an earlier one had its own", () => {
  const infinite = Buffer.from("fb7ff0000000000000", "hex");
  const places = new Int32Array(SLOTS).fill(-1);
  places[SLOT_UPDATE_TIME] = 0;
  forgetBaseNumbers();
  expect(slotBeyondDoubles(infinite, places, 0)).toBeUndefined();
  expect(slotBeyondDoubles(infinite, places, 1 << SLOT_UPDATE_TIME)).toBe(SLOT_UPDATE_TIME);
});
