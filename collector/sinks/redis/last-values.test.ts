import { describe, expect, test } from "vitest";
import { fc } from "@paddock/wire/testing/fast-check.ts";
import { testRow } from "../testing/row.ts";
import { lastValues, orderOf } from "./last-values.ts";

const value = (change: Parameters<typeof testRow>[0]) => [...lastValues([testRow(change)]).values()][0]!.fields;

describe("the newest reading of a channel", () => {
  test("is the one with the latest time, and of one time the one that stands last in the log", () => {
    const rows = [
      testRow({ offset: 1, timeUs: 20, number: 1 }),
      testRow({ offset: 2, timeUs: 30, number: 2 }),
      testRow({ offset: 3, timeUs: 30, number: 3 }),
      testRow({ offset: 4, timeUs: 10, number: 4 }),
      testRow({ offset: 5, timeUs: 5, number: 5, name: "other" }),
    ];
    const values = [...lastValues(rows).values()];
    expect(values.map(({ fields }) => [fields["name"], fields["value"]])).toEqual([
      ["barn/temperature", "3"],
      ["other", "5"],
    ]);
  });

  test("says all of it, and has the same fields whatever its kind", () => {
    const number = value({ offset: 9, part: 2, timeUs: 1_760_000_000_123_456, sum: 7 });
    expect(number).toEqual({
      gateway: "07".repeat(32),
      source: "barn",
      name: "barn/temperature",
      kind: "number",
      value: "21.5",
      unit: "Cel",
      time: "2025-10-09T08:53:20.123456Z",
      time_by: "sensor",
      clock: "synchronised",
      arrived: "2025-10-09T08:53:20.500Z",
      sum: "7",
      log_offset: "9",
      part: "2",
    });
    const none = { number: null };
    const others = [
      value({ ...none, text: "ok" }),
      value({ ...none, flag: false }),
      value({ ...none, data: Buffer.from([255, 0]) }),
      value({ number: 2 ** 53, exact: "9007199254740993" }),
      value({ number: -0 }),
      value({ ...none, whyNoNumber: "nan" }),
      value({ ...none, unit: null, sum: 5 }),
    ];
    for (const fields of others) expect(Object.keys(fields)).toEqual(Object.keys(number));
    expect(others.map((fields) => [fields["kind"], fields["value"]])).toEqual([
      ["text", "ok"],
      ["boolean", "false"],
      ["data", "/wA="],
      ["number", "9007199254740993"],
      ["number", "-0"],
      ["number", "nan"],
      ["none", ""],
    ]);
  });

  test("the order as text is the order of time, offset and part", () => {
    const place = fc.record({
      timeUs: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })),
      offset: fc.oneof(fc.maxSafeNat(), fc.nat({ max: 3 })),
      part: fc.nat({ max: 999_999 }),
    });
    fc.assert(
      fc.property(place, place, (left, right) => {
        const expected =
          Math.sign(left.timeUs - right.timeUs) ||
          Math.sign(left.offset - right.offset) ||
          Math.sign(left.part - right.part);
        const [a, b] = [orderOf(left), orderOf(right)];
        expect(a < b ? -1 : Number(a > b)).toBe(expected);
        expect(a).toHaveLength(41);
      }),
    );
  });
});
