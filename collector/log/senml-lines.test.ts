import { expect, test } from "vitest";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { DatingBook } from "../sinks/dating.ts";
import { batchOf, GATEWAY, type TestRecord, WALL_MS } from "../sinks/testing/batch.ts";
import { LINES } from "../sinks/files/lines.ts";
import { rowsOfBatch } from "../sinks/rows.ts";
import { senmlLines } from "./senml-lines.ts";

const place = { offset: 100, gateway: GATEWAY, source: "barn" };
const dated = { time: new Date(WALL_MS).toISOString().replace("Z", "000Z"), timeBy: "gateway", clock: "synchronised" };

function linesOf(records: readonly TestRecord[], from = 0, until = Infinity): unknown[] {
  return parsed(senmlLines(batchOf(records), from, until, new DatingBook()).text);
}

function parsed(text: string): unknown[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as unknown);
}

test("a reading is a line, one beyond the doubles too, and data comes with its content format", () => {
  const hex = "83 a2006474776f310205 a2006474776f3202c48219019001 a3006474776f33084161 626374 623630";
  expect(linesOf([{ hex }])).toMatchObject([
    { ...place, ...dated, part: 0, name: "two1", number: 5 },
    { ...place, ...dated, part: 1, name: "two2", exact: "1e400", whyNoNumber: "beyond-double" },
    { ...place, ...dated, part: 2, name: "two3", data: "YQ==", contentFormat: "60" },
  ]);
});

test("a line is the same as in a file of the files sink, which knows the site besides", () => {
  const batch = batchOf([
    { hex: "81 a4 00 6474776f31 01 6343656c 02 fb4035800000000000 05 18c8" },
    { hex: "81 a2 00 6474776f32 04 f5" },
    { hex: "81 a2 00 6474776f33 03 6161" },
    { hex: "81 a2 00 6474776f34 08 41ff" },
  ]);
  const book = new DatingBook();
  const { text } = senmlLines(batch, 0, Infinity, book);
  const inFiles = rowsOfBatch(batch, 0, book).rows.map((row) => LINES.ndjson.line(row, "north"));
  expect(inFiles).toHaveLength(4);
  expect(text).toBe(inFiles.join("").replaceAll('"site":"north",', ""));
  expect(parsed(text)).toMatchObject([
    { number: 21.5, unit: "Cel", sum: 200 },
    { flag: true },
    { text: "a" },
    { data: "/w==" },
  ]);
});

test("what is no reading is a line with its problem, behind the readings of its frame", () => {
  const records = [{ hex: "82a3006161020106c48219019001a20061620202" }, { hex: "00", format: 60 }];
  expect(linesOf(records)).toMatchObject([
    { ...place, ...dated, name: "b", number: 2 },
    { ...place, problem: "record 1, t (6): not finite as a double, with its base if it has one" },
    { ...place, offset: 101, problem: "content format 60 is no SenML" },
  ]);
  expect(senmlLines(batchOf(records), 0, Infinity, new DatingBook()).problems).toHaveLength(2);
});

test("a reader begins and ends inside a batch", () => {
  const records = [1, 2, 3].map((value) => ({ hex: `81a200616102 0${value}` }));
  expect(linesOf(records, 101, 102)).toMatchObject([{ offset: 101, number: 2 }]);
  expect(senmlLines(batchOf(records), 101, 102, new DatingBook()).nextOffset).toBe(102);
  expect(senmlLines(batchOf(records), 101, Infinity, new DatingBook()).nextOffset).toBe(103);
});

test("what has no records any more is a line that says why; the gateway's own records are no readings", () => {
  const evicted = senmlLines({ ...batchOf([{ hex: "80" }]), payload: null }, 0, Infinity, new DatingBook());
  expect(parsed(evicted.text)).toMatchObject([{ offset: 100, evicted: 1, at: WALL_MS }]);
  const lost = senmlLines({ offset: 100, count: 3, lost: "entry" }, 101, Infinity, new DatingBook());
  expect([parsed(lost.text), lost.nextOffset]).toEqual([[{ offset: 101, lost: 2, why: "entry" }], 103]);
  expect(linesOf([{ hex: "80", format: FORMAT_GATEWAY }])).toEqual([]);
});

test("a boot without a clock is dated by a batch of it that came before", () => {
  const book = new DatingBook();
  const records = [{ hex: "81a20061610201" }];
  expect(parsed(senmlLines(batchOf(records, 0), 0, Infinity, book).text)).toMatchObject([{ timeBy: "collector" }]);
  senmlLines(batchOf(records, 2), 0, Infinity, book);
  expect(parsed(senmlLines(batchOf(records, 0), 0, Infinity, book).text)).toMatchObject([{ ...dated, clock: "dated" }]);
});
