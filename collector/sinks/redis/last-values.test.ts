import { describe, expect, test } from "vitest";
import { readingOf } from "../last/reading.ts";
import { testRow } from "../testing/row.ts";
import { lastValues, readingOfFields } from "./last-values.ts";

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
      time_us: "1760000000123456",
      time_by: "sensor",
      clock: "synchronised",
      arrived: "2025-10-09T08:53:20.500Z",
      sum: "7",
      update_s: "",
      content_format: "",
      log_offset: "9",
      part: "2",
      lane: "telemetry",
      epoch: "0",
      seq: "0",
      record: "0",
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

  test("comes back out of its fields as it went in", () => {
    const rows = [
      testRow({ offset: 9, part: 2, timeUs: -5, sum: 0.1, updateS: 60, unit: "W", index: 3, seq: 4, epoch: 5 }),
      testRow({ number: null, text: "" }),
      testRow({ number: null, text: "beyond-double" }),
      testRow({ number: null, flag: true }),
      testRow({ number: null, flag: false }),
      testRow({ number: null, data: Buffer.from([255, 0]), contentFormat: "60" }),
      testRow({ number: 2 ** 53, exact: "9007199254740993" }),
      testRow({ number: null, exact: "1e999", whyNoNumber: "beyond-double" }),
      testRow({ number: -0 }),
      testRow({ number: 0 }),
      testRow({ number: 1e21 }),
      testRow({ number: null, whyNoNumber: "-infinity" }),
      testRow({ number: null, sum: 5, unit: null }),
    ];
    for (const row of rows) {
      const { fields } = [...lastValues([row]).values()][0]!;
      expect(readingOfFields(fields)).toEqual(readingOf(row));
    }
    const { fields } = [...lastValues(rows).values()][0]!;
    for (const name of ["kind", "arrived", "log_offset", "seq"]) {
      expect(readingOfFields({ ...fields, [name]: "" })).toBeUndefined();
    }
  });
});
