import { describe, expect, test } from "vitest";
import type { ClockQuality } from "@paddock/wire/batch-header.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import type { LoggedBatch } from "../log/log-line.ts";
import { DatingBook } from "./dating.ts";
import { rowsOfBatch } from "./rows.ts";
import { ARRIVED_MS, batchOf, GATEWAY, MONOTONIC_US, type TestRecord, WALL_MS } from "./testing/batch.ts";

function rowsOf(records: readonly TestRecord[], clock?: ClockQuality, book = new DatingBook()) {
  return rowsOfBatch(batchOf(records, clock), 0, book);
}

/** One record named "a" with more fields; `pairs` counts the name too. */
const valued = (pairs: number, hex: string): string => `81a${pairs}006161${hex}`;

describe("what a row says", () => {
  test("all of it, for a number with unit and time", () => {
    const { rows, deadLetters } = rowsOf([
      { hex: "81a1006161", format: FORMAT_GATEWAY },
      // bn "b/", bt 1.7e9; n "t", u "Cel", v 21.5, ut 60.
      { hex: "81a6 21 62622f 22 1a6553f100 00 6174 01 6343656c 02 f94d60 07 183c", offset: 1500 },
    ]);
    expect(deadLetters).toEqual([]);
    expect(rows).toEqual([
      {
        offset: 101,
        part: 0,
        gateway: GATEWAY,
        lane: "telemetry",
        epoch: 2,
        seq: 4,
        index: 1,
        source: "barn",
        name: "b/t",
        unit: "Cel",
        number: 21.5,
        exact: null,
        whyNoNumber: null,
        text: null,
        flag: null,
        data: null,
        contentFormat: null,
        sum: null,
        updateS: 60,
        timeUs: 0x6553f100 * 1e6,
        timeBy: "sensor",
        clock: "synchronised",
        arrivedMs: ARRIVED_MS,
        boot: 3,
        monotonicUs: MONOTONIC_US + 1500,
      },
    ]);
  });

  test.each([
    ["text", valued(2, "03626f6b"), { text: "ok", number: null }],
    ["a boolean", valued(2, "04f4"), { flag: false, number: null }],
    ["data", valued(2, "084161"), { data: Buffer.from("a"), number: null }],
    ["a sum alone", valued(2, "0505"), { sum: 5, number: null, whyNoNumber: null }],
    ["NaN", valued(2, "02f97e00"), { number: null, exact: null, whyNoNumber: "nan" }],
    ["infinity", valued(2, "02f97c00"), { number: null, whyNoNumber: "infinity" }],
    ["minus infinity", valued(2, "02f9fc00"), { number: null, whyNoNumber: "-infinity" }],
    ["minus zero", valued(2, "02f98000"), { number: -0 }],
    ["2^53 + 1", valued(2, "021b0020000000000001"), { number: 2 ** 53, exact: "9007199254740993" }],
    ["1e400", valued(2, "02c48219019001"), { number: null, exact: "1e400", whyNoNumber: "beyond-double" }],
  ])("%s", (_, hex, expected) => {
    expect(rowsOf([{ hex }]).rows).toMatchObject([expected]);
  });

  test("readings of a frame are numbered in its order, also behind one that is none", () => {
    // The second record's time is beyond the doubles.
    const { rows, deadLetters } = rowsOf([{ hex: "83 a2006161 0201 a3006162 0202 06c48219019001 a2006163 0203" }]);
    expect(rows.map(({ name, part }) => [name, part])).toEqual([
      ["a", 0],
      ["c", 1],
    ]);
    expect(deadLetters).toEqual([
      { offset: 100, gateway: GATEWAY, source: "barn", reason: expect.stringContaining("record 2, t (6)") as string },
    ]);
  });

  test.each([
    ["a format that is no SenML", { hex: "00", format: 60 }, "content format 60 is no SenML"],
    ["junk", { hex: "ff" }, "not well-formed CBOR"],
    ["a time that microseconds cannot say", { hex: valued(3, "0201 06fb4341c37937e08000") }, "is beyond what"],
  ])("%s is told, and the records behind it are rows", (_, record, reason) => {
    const { rows, deadLetters } = rowsOf([record, { hex: valued(2, "0201") }]);
    expect(rows).toMatchObject([{ offset: 101 }]);
    expect(deadLetters).toMatchObject([{ offset: 100, reason: expect.stringContaining(reason) as string }]);
  });

  test("a batch without its payload, or without records in it, has none; a reader may begin inside one", () => {
    const batch = batchOf([{ hex: valued(2, "0201") }, { hex: valued(2, "0202") }]);
    const book = new DatingBook();
    expect(rowsOfBatch({ ...batch, payload: null }, 0, book).rows).toEqual([]);
    expect(rowsOfBatch({ ...batch, payload: Buffer.from("ff", "hex") }, 0, book).rows).toEqual([]);
    expect(rowsOfBatch(batch, 101, book).rows.map(({ offset }) => offset)).toEqual([101]);
  });
});

function header(boot: number, clock: ClockQuality, wall = WALL_MS): LoggedBatch {
  return { decoded: { position: { boot, clock, wall, monotonic: 0 } } } as LoggedBatch;
}

describe("how good a time is", () => {
  const relative = { hex: valued(3, "0201 0620"), offset: 2_000_000 };

  test("relative to the gateway's clock when that was set", () => {
    expect(rowsOf([relative], 1).rows).toMatchObject([
      { timeUs: WALL_MS * 1000 + 1_000_000, timeBy: "gateway", clock: "holdover" },
    ]);
  });

  test("of a boot without a clock: by its arrival, and by the boot's own clock once that is known", () => {
    expect(rowsOf([relative], 0).rows).toMatchObject([
      { timeUs: ARRIVED_MS * 1000 - 1_000_000, timeBy: "collector", clock: "unset" },
    ]);
    const book = new DatingBook();
    const later = batchOf([relative], 2);
    expect(book.note(GATEWAY, later)).toEqual({ gateway: GATEWAY, boot: 3, zeroUs: WALL_MS * 1000 - MONOTONIC_US });
    expect(rowsOf([relative], 0, book).rows).toMatchObject([
      { timeUs: WALL_MS * 1000 + 1_000_000, timeBy: "gateway", clock: "dated" },
    ]);
  });

  test("a boot is dated once, by a clock that was set; the oldest of many is forgotten", () => {
    const book = new DatingBook();
    expect(book.note(GATEWAY, header(1, 0))).toBeUndefined();
    expect(book.note(GATEWAY, header(1, 1))).toBeDefined();
    expect(book.note(GATEWAY, header(1, 2))).toBeUndefined();
    expect(book.note(GATEWAY, header(2, 2, Number.MAX_SAFE_INTEGER))).toBeUndefined();
    for (let boot = 2; boot <= 9; boot++) book.note(GATEWAY, header(boot, 2));
    expect(book.zeroUs(GATEWAY, 1)).toBeUndefined();
    expect(book.zeroUs(GATEWAY, 2)).toBe(WALL_MS * 1000);
    expect(new DatingBook([{ gateway: GATEWAY, boot: 7, zeroUs: 5 }]).zeroUs(GATEWAY, 7)).toBe(5);
    expect(book.zeroUs("ff", 2)).toBeUndefined();
  });
});
