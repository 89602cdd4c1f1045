import { expect, test } from "vitest";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { DatingBook } from "../sinks/dating.ts";
import { batchOf, GATEWAY, type TestRecord, WALL_MS } from "../sinks/testing/batch.ts";
import { senmlLines } from "./senml-lines.ts";

const common = { offset: 100, gateway: GATEWAY, source: "barn" };
const timed = { time: WALL_MS / 1000, timeBy: "gateway", clock: "synchronised" };

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
  expect(linesOf([{ hex }])).toEqual([
    { ...common, ...timed, name: "two1", value: 5 },
    { ...common, ...timed, name: "two2", exact: "1e400", whyNoNumber: "beyond-double" },
    { ...common, ...timed, name: "two3", value: "YQ", contentFormat: "60" },
  ]);
});

test("what is no reading is a line with its problem, behind the readings of its frame", () => {
  const records = [{ hex: "82a3006161020106c48219019001a20061620202" }, { hex: "00", format: 60 }];
  expect(linesOf(records)).toEqual([
    { ...common, ...timed, name: "b", value: 2 },
    { ...common, problem: "record 1, t (6): not finite as a double, with its base if it has one" },
    { ...common, offset: 101, problem: "content format 60 is no SenML" },
  ]);
  expect(senmlLines(batchOf(records), 0, Infinity, new DatingBook()).problems).toHaveLength(2);
});

test("a reader begins and ends inside a batch", () => {
  const records = [1, 2, 3].map((value) => ({ hex: `81a200616102 0${value}` }));
  expect(linesOf(records, 101, 102)).toMatchObject([{ offset: 101, value: 2 }]);
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
  expect(parsed(senmlLines(batchOf(records, 0), 0, Infinity, book).text)).toMatchObject([{ ...timed, clock: "dated" }]);
});
