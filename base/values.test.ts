import { describe, expect, test } from "vitest";
import { formatDuration, parseDurationMs } from "./duration.ts";
import { ERROR_TABLE, messageOf, PaddockError } from "./errors.ts";
import { jsonLinesLog } from "./log.ts";
import { nearestName } from "./nearest.ts";
import { accept, expectAccepted, refuse } from "./outcome.ts";

describe("duration", () => {
  test.each([
    ["250ms", 250],
    ["5s", 5000],
    ["1.5 s", 1500],
    ["2min", 120_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["3d", 259_200_000],
    ["500us", 0.5],
    [" 1s ", 1000],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDurationMs(text)).toEqual({ ok: true, value: ms });
  });

  test.each(["", "5", "s", "5 parsecs", "-1s", "1s2", "1e3s", "constructor", "5toString"])(
    "%j is refused with a remedy",
    (text) => {
      expect(parseDurationMs(text)).toMatchObject({
        ok: false,
        reason: "duration",
        detail: expect.stringContaining("such as 5s") as string,
      });
    },
  );

  test.each([
    [0.25, "250 µs"],
    [1.25, "1.3 ms"],
    [999, "999 ms"],
    [1500, "1.5 s"],
    [42_000, "42 s"],
    [90_000, "1 min 30 s"],
    [3_700_000, "1 h 1 min"],
    [180_000_000, "2 d 2 h"],
  ])("%d ms is %j", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("rounding never shows a full unit of the next one", () => {
    for (const [ms, text] of [
      [0.9999, "1.0 ms"],
      [9.96, "10 ms"],
      [999.9, "1.0 s"],
      [9999, "10 s"],
      [59_600, "1 min 0 s"],
    ] as const) {
      expect(formatDuration(ms)).toBe(text);
    }
  });
});

describe("nearestName", () => {
  const names = ["listen", "sensors", "store", "collector", "paths"];
  test.each([
    ["lisen", "listen"],
    ["Sensors", "sensors"],
    ["colector", "collector"],
    ["path", "paths"],
    ["zzzzzz", undefined],
    ["", undefined],
  ])("%j means %j", (name, nearest) => {
    expect(nearestName(name, names)).toBe(nearest);
  });

  test("without candidates there is none", () => {
    expect(nearestName("a", [])).toBeUndefined();
  });
});

describe("outcome", () => {
  test("an accepted value comes out", () => {
    expect(expectAccepted(accept(5))).toBe(5);
  });

  test("a refusal where none can be is a programmer error that says why", () => {
    expect(() => expectAccepted(refuse("format", "no such thing"))).toThrow("format: no such thing");
  });
});

describe("errors", () => {
  test("explain says what, why and what to do, and keeps the cause", () => {
    const cause = new Error("EACCES");
    const error = new PaddockError("STORE_LOCKED", "Process 7 has it.", { cause });
    expect(error.explain()).toBe(`STORE_LOCKED: Process 7 has it. ${ERROR_TABLE.STORE_LOCKED.remedy}`);
    expect(error).toMatchObject({ code: "STORE_LOCKED", disposition: "fatal", cause });
  });

  test("every entry has a meaning and a remedy in whole sentences", () => {
    for (const entry of Object.values(ERROR_TABLE)) {
      for (const text of [entry.meaning, entry.remedy]) expect(text).toMatch(/^[A-Z].*\.$|^See/);
    }
  });

  test("messageOf takes whatever was thrown", () => {
    expect([messageOf(new Error("a")), messageOf("b"), messageOf(undefined)]).toEqual(["a", "b", "undefined"]);
  });
});

describe("log", () => {
  test("writes one line of JSON for each event at or above its level", () => {
    const lines: string[] = [];
    const log = jsonLinesLog("warn", (line) => lines.push(line));
    log.debug("a");
    log.info("b");
    log.warn("c", { path: "fibre", text: "two\nlines" });
    log.error("d");
    expect(lines).toHaveLength(2);
    expect(lines.every((line) => line.endsWith("\n") && line.indexOf("\n") === line.length - 1)).toBe(true);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "warn", event: "c", path: "fibre", text: "two\nlines" });
    expect(Date.parse((JSON.parse(lines[1]!) as { time: string }).time)).not.toBeNaN();
  });
});
