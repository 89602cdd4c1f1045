import { describe, expect, test } from "vitest";
import { walkReadings, readSenml, type KeptReading } from "./senml-read.ts";

const NOW = 1_700_000_000;

function walked(hex: string): { readings: KeptReading[]; faults: string[] } {
  const readings: KeptReading[] = [];
  const faults: string[] = [];
  walkReadings(
    Buffer.from(hex, "hex"),
    { now: NOW },
    (reading) => readings.push(reading),
    (fault) => faults.push(fault),
  );
  return { readings, faults };
}

/** A pack of one record named "a" with this value. */
const valued = (value: string): string => `81a20061610 2${value}`.replaceAll(" ", "");

describe("walkReadings", () => {
  test.each([
    ["NaN", "f97e00", Number.NaN],
    ["infinity", "fa7f800000", Infinity],
    ["minus infinity", "fbfff0000000000000", -Infinity],
  ])("%s as a value is a reading", (_, hex, value) => {
    expect(walked(valued(hex))).toMatchObject({ readings: [{ name: "a", value, exact: undefined }], faults: [] });
    expect(readSenml(Buffer.from(valued(hex), "hex"), { now: NOW }).readings).toEqual([]);
  });

  test.each([
    ["an integer that a double holds", "1b0020000000000000", 2 ** 53, undefined],
    ["an integer that it does not", "1b0020000000000001", 2 ** 53, "9007199254740993"],
    ["a negative one", "3bffffffffffffffff", -(2 ** 64), "-18446744073709551616"],
    ["23.15", "c4822119090b", 23.15, undefined],
    ["a fraction of more digits", "c482321b1122334455667788", 0.12346056164365085, "0.1234605616436508552"],
    ["a fraction below the doubles", "c482390190 01", 0, "1e-401"],
    ["one beyond them", "c48219019001", Infinity, "1e400"],
  ])("%s", (_, hex, value, exact) => {
    const { readings } = walked(valued(hex.replaceAll(" ", "")));
    expect(readings).toMatchObject([{ value, exact }]);
  });

  test("a base value is added without loss: 2^53 + 1 + 0.1", () => {
    // bv 9007199254740993, v 1e-1.
    expect(walked("81a3241b002000000000000100616102c4822001").readings).toMatchObject([
      { value: 9_007_199_254_740_992, exact: "9007199254740993.1" },
    ]);
  });

  test("a base value that no double holds says nothing of a text", () => {
    // bv 9007199254740993, vs "x".
    expect(walked("81a3241b0020000000000001006161036178").readings).toMatchObject([{ value: "x", exact: undefined }]);
  });

  test("two numbers too far apart to be added are shown as a sum", () => {
    expect(walked("81a324c48218c80100616102c4823901f401").readings[0]!.exact).toBe("1e200 + 1e-501");
  });

  test("readings come in the order of the pack, and say whose time they have", () => {
    const { readings } = walked("83a3006161020106 1a6553f100a3006162020206 20a20061630203".replaceAll(" ", ""));
    expect(readings.map(({ name, time, isRelative }) => [name, time, isRelative])).toEqual([
      ["a", 0x6553f100, false],
      ["b", NOW - 1, true],
      ["c", NOW, true],
    ]);
  });

  test("a time beyond the doubles is a fault of its record alone", () => {
    const { readings, faults } = walked("82a300616102010 6c48219019001a20061620202".replaceAll(" ", ""));
    expect(readings.map(({ name }) => name)).toEqual(["b"]);
    expect(faults).toEqual(["record 1, t (6): not finite as a double, with its base if it has one"]);
  });

  test("the end of a walk is told also behind a record with the same problem", () => {
    // A time whose sum is beyond the doubles, then a time that is none itself: the pack cannot be read further.
    const { faults } = walked("82a30061610201 06c48219019001 a3006162020206f97e00".replaceAll(" ", ""));
    expect(faults.map((fault) => fault.slice(0, 8))).toEqual(["record 1", "record 2"]);
  });
});
