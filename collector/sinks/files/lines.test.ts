import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Row } from "../row.ts";
import { testRow } from "../testing/row.ts";
import { LINES } from "./lines.ts";

const ROW: Row = testRow({
  offset: 12,
  part: 1,
  gateway: "ab".repeat(32),
  seq: 3,
  index: 2,
  source: "mote-1",
  name: "urn:dev:mac:1:temp",
  timeUs: 1_764_356_400_000_001,
  arrivedMs: 1_764_356_400_500,
  boot: 4,
  monotonicUs: 5,
});
const { ndjson, influx } = LINES;
const time = (timeUs: number) => (JSON.parse(ndjson.line({ ...ROW, timeUs }, "n")) as { time: string }).time;
const fields = (row: Partial<Row>): string => influx.line({ ...ROW, number: null, ...row }, "n").split(" ")[1]!;

describe("NDJSON", () => {
  test("has each field that is there under its name, and a time with microseconds", () => {
    const line = JSON.parse(ndjson.line(ROW, "north")) as Record<string, unknown>;
    expect(line).toMatchObject({
      offset: 12,
      part: 1,
      site: "north",
      time: "2025-11-28T19:00:00.000001Z",
      number: 21.5,
    });
    expect(line).not.toHaveProperty("text");
    expect(JSON.parse(ndjson.line({ ...ROW, number: null, data: Uint8Array.of(1, 255) }, "n"))).toMatchObject({
      data: "Af8=",
    });
  });

  test("times before 1970 and at the ends of the calendar are right", () => {
    expect(time(-1)).toBe("1969-12-31T23:59:59.999999Z");
    expect(time(0)).toBe("1970-01-01T00:00:00.000000Z");
    expect(time(Number.MAX_SAFE_INTEGER)).toBe("2255-06-05T23:47:34.740991Z");
  });
});

describe("line protocol", () => {
  test("has a value in a field of its kind, and never NaN", () => {
    expect(fields({ number: 21 })).toContain(",value=21,");
    expect(fields({ number: 1e-7 })).toContain(",value=1e-7,");
    expect(fields({ number: 9007199254740992, exact: "9007199254740993" })).toContain(',exact="9007199254740993",');
    expect(fields({ whyNoNumber: "nan" })).toContain(',why="nan",');
    expect(fields({ whyNoNumber: "nan" })).not.toMatch(/value|NaN,/u);
    expect(fields({ flag: false })).toContain(",flag=false,");
    expect(fields({ text: `say\\"it"` })).toContain(String.raw`,text="say\\\"it\"",`);
    expect(fields({})).toMatch(/^offset=12i,part=1i,/u);
  });

  test("is what the line protocol reference gives as an example of escaping", () => {
    const line = influx.line({ ...ROW, name: "my measurement,a", source: "a b,c=d\\e", unit: null }, "north hall");
    expect(line).toBe(
      String.raw`my\ measurement\,a,gateway=${ROW.gateway},lane=telemetry,site=north\ hall,source=a\ b\,c\=d\e ` +
        `offset=12i,part=1i,value=21.5,time_by="sensor",clock="synchronised" 1764356400000001000\n`,
    );
  });

  test("says what it cannot hold", () => {
    expect(influx.whyNot({ ...ROW, data: Uint8Array.of(1) })).toMatch(/data/u);
    expect(influx.whyNot({ ...ROW, text: "a\nb" })).toMatch(/line break/u);
    expect(influx.whyNot({ ...ROW, source: "x\\" })).toMatch(/backslash/u);
    expect(influx.whyNot({ ...ROW, source: "x\u0001" })).toMatch(/control/u);
    expect(influx.whyNot(ROW)).toBe(undefined);
  });

  test("zero is one digit", () => expect(influx.line({ ...ROW, timeUs: 0 }, "n")).toMatch(/ 0\n$/u));
});

test("the offset of a line is found again, whatever its texts are", () => {
  const text = fc.oneof(fc.string(), fc.constant(" offset=9i,part=3i"), fc.constant('{"offset":9,'));
  fc.assert(
    fc.property(text, text, text, fc.maxSafeNat(), (source, value, site, offset) => {
      const row = { ...ROW, source, text: value, number: null, offset };
      for (const format of [ndjson, influx]) {
        if (format.whyNot(row) !== undefined) continue;
        const line = format.line(row, site);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(format.offsetOf(line)).toBe(offset);
      }
    }),
  );
});
