import { expect, test } from "vitest";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { senmlLines, type LogLine } from "./senml-lines.ts";

const place = { received: 2, gateway: "aa", lane: "telemetry", epoch: 0, seq: 1, clock: "synchronised", at: 1000 };

function lineOf(hex: string, format = 112): LogLine {
  const frame = Buffer.from(hex, "hex").toString("base64url");
  return { ...place, offset: 139, source: "barn", index: 0, format, frame };
}

function linesOf(line: LogLine): unknown[] {
  return senmlLines(line)
    .text.split("\n")
    .filter(Boolean)
    .map((text) => JSON.parse(text) as unknown);
}

const common = { offset: 139, gateway: "aa", source: "barn" };

test("a record beyond the doubles is said, and the others of its pack are there", () => {
  const line = lineOf("83a2006474776f310205a2006474776f3202c48219019001a2006474776f330206");
  expect(linesOf(line)).toEqual([
    { ...common, time: 1, name: "two1", value: 5 },
    { ...common, time: 1, name: "two3", value: 6 },
    { ...common, problem: "record 2, v (2): not finite as a double, with its base if it has one" },
  ]);
  expect(senmlLines(line).problem).toContain("record 2");
});

test("base value and value that overflow together are said", () => {
  expect(linesOf(lineOf("81a324fb7fefffffffffffff00647468723302fb7fefffffffffffff"))).toEqual([
    { ...common, problem: "record 1, v (2): not finite as a double, with its base if it has one" },
  ]);
});

test("data comes with its content format", () => {
  expect(linesOf(lineOf("81a3006161084161626374623630"))).toEqual([
    { ...common, time: 1, name: "a", value: "YQ", contentFormat: "60" },
  ]);
});

test.each([
  ["a format that is no SenML", lineOf("00", 60), "content format 60 is no SenML"],
  ["a COSE_Mac0 that is none", lineOf("00", 17), "COSE_Mac0"],
  ["junk", lineOf("ff"), "not well-formed CBOR"],
])("%s is said", (_, line, problem) => {
  expect(linesOf(line)).toMatchObject([{ ...common, problem: expect.stringContaining(problem) as string }]);
});

test("lines without a frame stay, the gateway's own records are no readings", () => {
  const evicted = { ...place, offset: 5, evicted: 7 };
  expect(linesOf(evicted)).toEqual([evicted]);
  expect(senmlLines(lineOf("80", FORMAT_GATEWAY))).toEqual({ text: "", problem: undefined });
});
