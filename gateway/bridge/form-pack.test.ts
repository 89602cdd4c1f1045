import { describe, expect, test } from "vitest";
import { parseConfig } from "@paddock/base/config.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { fc } from "@paddock/wire/testing/fast-check.ts";
import { walkReadings, type KeptReading } from "@paddock/wire/senml-read.ts";
import { BridgeConfigSchema, type BridgeForm } from "./config.ts";
import { packForm } from "./form-pack.ts";

const NOW = 1_700_000_000;

function formOf(form: object): BridgeForm {
  const { forms } = parseConfig(BridgeConfigSchema, { forms: [{ path: "/log.php", ...form }] }, "test");
  return forms[0]!;
}

const WEATHER = formOf({
  name: "urn:dev:ow:",
  id: "station",
  time: { field: "ts", format: "unix-seconds" },
  fields: [
    { field: "t", name: ":temperature", unit: "Cel" },
    { field: "rain", name: ":rain", kind: "boolean", required: false },
    { field: "note", name: ":note", kind: "text", required: false },
  ],
});

function readingsOf(form: BridgeForm, query: string): KeptReading[] {
  const pack = expectAccepted(packForm(form, new URLSearchParams(query)));
  const readings: KeptReading[] = [];
  walkReadings(pack, { now: NOW }, (reading) => readings.push(reading), expect.unreachable);
  return readings;
}

function problemOf(form: BridgeForm, query: string): string {
  const pack = packForm(form, new URLSearchParams(query));
  if (pack.ok) throw new Error("it is a pack");
  return pack.detail;
}

describe("a form becomes readings", () => {
  test("with base name, id, unit and time", () => {
    expect(readingsOf(WEATHER, "station=28ff&t=21.50&rain=on&note=calm&ts=1760000000.25")).toMatchObject([
      { name: "urn:dev:ow:28ff:temperature", value: 21.5, unit: "Cel", time: 1_760_000_000.25, isRelative: false },
      { name: "urn:dev:ow:28ff:rain", value: true },
      { name: "urn:dev:ow:28ff:note", value: "calm" },
    ]);
  });

  test("without a time they have the gateway's, and fields that may be missing are left out", () => {
    expect(readingsOf(WEATHER, "station=28ff&t=-3&note=")).toMatchObject([
      { value: -3, isRelative: true, time: NOW },
      { name: "urn:dev:ow:28ff:note", value: "" },
    ]);
  });

  test("a number is kept digit for digit", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 15), max: 10 ** 15 }), fc.nat({ max: 20 }), (mantissa, places) => {
        const digits = Math.abs(mantissa)
          .toString()
          .padStart(places + 1, "0");
        const point = digits.length - places;
        const text = `${mantissa < 0 ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`;
        const [reading] = readingsOf(WEATHER, `station=a&t=${text}`);
        expect(reading!.value).toBe(Number(text) + 0);
        expect(reading!.exact === undefined || Number(reading!.exact) === Number(text)).toBe(true);
      }),
    );
  });

  test.each([
    ["1e3", 1000],
    ["+5", 5],
    [".5", 0.5],
    ["5.", 5],
    ["-0", 0],
    ["1E-2", 0.01],
  ])("%s is a number", (text, value) => {
    expect(readingsOf(WEATHER, `station=a&t=${encodeURIComponent(text)}`)).toMatchObject([{ value }]);
  });

  test("a decimal comma where the form says so, and the last of several values, as PHP takes it", () => {
    const german = formOf({ decimalComma: true, fields: [{ field: "t", name: "t" }] });
    expect(readingsOf(german, "t=1&t=21,5")).toMatchObject([{ name: "t", value: 21.5 }]);
  });

  test.each([
    ["iso", "2026-10-25T02:30:00+02:00", Date.UTC(2026, 9, 25, 0, 30) / 1000],
    ["iso", "2026-10-25T02:30:00.125Z", Date.UTC(2026, 9, 25, 2, 30) / 1000 + 0.125],
    ["unix-milliseconds", "1760000000250", 1_760_000_000.25],
  ])("a time in %s: %s", (format, text, time) => {
    const form = formOf({ time: { field: "at", format }, fields: [{ field: "t", name: "t" }] });
    expect(readingsOf(form, `t=1&at=${encodeURIComponent(text)}`)).toMatchObject([{ time, isRelative: false }]);
  });
});

describe("what is no reading is told with field, value and remedy", () => {
  test.each([
    ["t=1", "station is missing."],
    ["station=&t=1", "station is missing."],
    ["station=a%20b&t=1", 'station is "a b"; an id may hold A-Z a-z 0-9 - : . / _ alone.'],
    ["station=a", "t is missing."],
    ["station=a&t=", "t is missing."],
    ["station=a&t=warm", 't is "warm", which is no number.'],
    ["station=a&t=NaN", 't is "NaN", which is no number.'],
    ["station=a&t=21,5", 't is "21,5", which is no number.'],
    ["station=a&t=1e400", 't is "1e400", which is no number.'],
    ["station=a&t=0x10", 't is "0x10", which is no number.'],
    ["station=a&t=12345678901234567890", 't is "12345678901234567890", which is no number.'],
    ["station=a&t=1&rain=maybe", 'rain is "maybe", which is no boolean.'],
    ["station=a&t=1&ts=yesterday", 'ts is "yesterday", which is no time in unix-seconds.'],
    ["station=a&t=1&ts=5", 'ts is "5", which is before July 1978.'],
    [`station=a&t=1&note=${"x".repeat(1024)}`, "at most 1024 go into one frame"],
  ])("%s", (query, detail) => {
    expect(problemOf(WEATHER, query)).toContain(detail);
  });

  test.each(["2026-10-25T02:30:00", "2026-13-01T00:00:00Z", "25.10.2026"])("%s is no time", (text) => {
    const form = formOf({ time: { field: "at", format: "iso" }, fields: [{ field: "t", name: "t" }] });
    expect(problemOf(form, `t=1&at=${text}`)).toMatch(/^at is ".*", which (is no time such as|no calendar has)/u);
  });

  test("no field at all, and a name that cannot begin so", () => {
    const optional = formOf({ fields: [{ field: "t", name: "t", required: false }] });
    expect(problemOf(optional, "u=1")).toBe("none of t is given.");
    expect(problemOf(formOf({ id: "id", fields: [{ field: "t", name: "t" }] }), "id=-x&t=1")).toContain("name-start");
  });

  test("whatever comes is a pack or a sentence", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom("station", "t", "rain", "note", "ts"), fc.string())), (pairs) => {
        const pack = packForm(WEATHER, new URLSearchParams(pairs));
        if (!pack.ok) expect(pack.detail.length).toBeGreaterThan(5);
      }),
    );
  });
});
