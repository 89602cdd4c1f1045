import { Decoder, Encoder } from "cbor-x";
import { describe, expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { CborReader, skipItem } from "./cbor-read.ts";
import { CborWriter, headSize, writeHead } from "./cbor-write.ts";
import { CBOR_DEPTH_MAX } from "./limits.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";

const decoder = new Decoder({ mapsAsObjects: false, useRecords: false, int64AsType: "number" } as never);
const encoder = new Encoder({ mapsAsObjects: false, useRecords: false, variableMapSize: true });
const edges = [
  0,
  1,
  23,
  24,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
];
const uints = fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat());
const ints = fc
  .oneof(
    uints,
    uints.map((value) => -value),
    fc.maxSafeInteger(),
  )
  .map((value) => value + 0);
const texts = fc.string({ unit: "grapheme", maxLength: 300 });

type Item = number | string | boolean | null | Uint8Array | readonly Item[];
const { item: items } = fc.letrec<{ item: Item }>((tie) => ({
  item: fc.oneof(
    { depthSize: "small" },
    ints,
    texts,
    fc.boolean(),
    fc.constant(null),
    byteStrings(0, 300),
    fc.array(tie("item"), { maxLength: 30 }),
  ),
}));

function write(writer: CborWriter, item: Item): CborWriter {
  if (item === null) return writer.null();
  if (typeof item === "number") return writer.int(item);
  if (typeof item === "string") return writer.text(item);
  if (typeof item === "boolean") return writer.boolean(item);
  if (item instanceof Uint8Array) return writer.bytes(item);
  writer.array(item.length);
  for (const element of item) write(writer, element);
  return writer;
}

/** -0 and 0 are the same integer. */
const plain = (value: number) => (value === 0 ? 0 : value);

/** What a reader finds wrong. */
const fails = (hex: string, read: (reader: CborReader) => unknown) => {
  const reader = new CborReader(Buffer.from(hex, "hex"));
  read(reader);
  return reader.problem;
};

const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([0])]);

describe("CborWriter", () => {
  test("cbor-x reads what it writes", () => {
    fc.assert(
      fc.property(items, (item) => {
        const bytes = write(new CborWriter(1), item).finish();
        expect(normal(decoder.decode(bytes))).toEqual(normal(item));
        expect(skipItem(bytes, 0)).toBe(bytes.length);
      }),
    );
  });

  test("a head is as long as headSize says, and as short as it goes", () => {
    fc.assert(
      fc.property(uints, fc.nat(7), (value, major) => {
        const target = new Uint8Array(9);
        const size = writeHead(target, 0, major, value);
        expect(size).toBe(headSize(value));
        const limits = new Map([
          [1, 0],
          [2, 24],
          [3, 256],
          [5, 65_536],
          [9, 2 ** 32],
        ]);
        expect(value).toBeGreaterThanOrEqual(limits.get(size)!);
      }),
    );
  });

  test("numbers that are no safe integer are a programmer error", () => {
    for (const value of [0.5, 2 ** 53, -(2 ** 53), Number.NaN])
      expect(() => new CborWriter().int(value)).toThrow(RangeError);
  });
});

function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(normal);
  return typeof value === "number" || typeof value === "bigint" ? plain(Number(value)) : value;
}

describe("CborReader", () => {
  test("reads integers as written, to the edges", () => {
    fc.assert(
      fc.property(ints, (value) => {
        const reader = new CborReader(new CborWriter().int(value).finish());
        expect(reader.int("value")).toBe(plain(value));
        reader.end("value");
        expect(reader.problem).toBeUndefined();
      }),
    );
  });

  test("reads what cbor-x writes in deterministic form", () => {
    fc.assert(
      fc.property(byteStrings(0, 400), texts, fc.nat(0x7fff_ffff), (bytes, text, uint) => {
        const reader = new CborReader(encoder.encode([Buffer.from(bytes), text, uint, null]));
        expect(reader.array("list", 4)).toBe(4);
        expect(Buffer.from(reader.bytes("bytes", 0, 400))).toEqual(Buffer.from(bytes));
        expect(reader.text("text", 10_000)).toBe(text);
        expect(reader.uint("uint")).toBe(uint);
        expect(reader.takeNull()).toBe(true);
        reader.end("list");
        expect(reader.problem).toBeUndefined();
      }),
    );
  });

  test.each([
    ["1800", "not in its shortest form"],
    ["190001", "not in its shortest form"],
    ["1900ff", "not in its shortest form"],
    ["1a0000ffff", "not in its shortest form"],
    ["1b00000000ffffffff", "not in its shortest form"],
    ["1b0020000000000000", "above 2^53-1"],
    ["3b001fffffffffffff", "below -(2^53-1)"],
    ["1c", "reserved"],
    ["1f", "indefinite or reserved"],
    ["19ff", "cut short"],
    ["", "missing"],
    ["40", "major type 2"],
    ["f6", "major type 7"],
  ])("%s is no integer: %s", (hex, problem) => {
    const reader = new CborReader(Buffer.from(hex, "hex"));
    expect(reader.int("value")).toBe(0);
    expect(reader.problem).toContain(problem);
  });

  test("negative integers reach to -(2^53-1)", () => {
    expect(new CborReader(Buffer.from("3b001ffffffffffffe", "hex")).int("value")).toBe(-Number.MAX_SAFE_INTEGER);
  });

  test("the first problem stays, and later reads return harmless values", () => {
    const reader = new CborReader(Buffer.from("0120", "hex"));
    reader.bytes("key", 1);
    const { problem } = reader;
    expect(problem).toContain("key");
    expect([reader.uint("a"), reader.int("b"), reader.text("c", 9), reader.array("d", 1), reader.takeNull()]).toEqual([
      0,
      0,
      "",
      0,
      false,
    ]);
    expect(reader.bytes("e", 3)).toHaveLength(0);
    reader.tag("f", 17);
    reader.end("g");
    expect(reader.problem).toBe(problem);
    expect(reader.offset).toBe(0);
  });

  test("bounds are the caller's", () => {
    expect(fails("182a", (reader) => reader.uint("n", 41))).toContain("above 41");
    expect(fails("43010203", (reader) => reader.bytes("b", 2))).toContain("not 2");
    expect(fails("43010203", (reader) => reader.bytes("b", 4, 9))).toContain("4 to 9");
    expect(fails("83010203", (reader) => reader.array("a", 2))).toContain("not 2");
    expect(fails("6161", (reader) => reader.text("t", 0))).toContain("has 1 bytes");
    expect(fails("60", (reader) => reader.text("t", 9, 1))).toContain("has 0 bytes");
    expect(fails("61ff", (reader) => reader.text("t", 9))).toContain("not UTF-8");
    expect(fails("d1", (reader) => reader.tag("c", 18))).toContain("tag 17");
    expect(
      fails("0000", (reader) => {
        reader.uint("n");
        reader.end("n");
      }),
    ).toContain("behind the end");
  });
});

const read = <Value>(hex: string, take: (reader: CborReader) => Value) => {
  const reader = new CborReader(Buffer.from(hex, "hex"));
  const value = take(reader);
  return [value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value, reader.offset, reader.problem];
};

describe("a reader at its bounds", () => {
  test.each<[string, string, (reader: CborReader) => unknown, value: unknown, offset: number]>([
    ["the greatest", "182a", (reader) => reader.uint("n", 42), 42, 2],
    ["the least", "00", (reader) => reader.uint("n", 0), 0, 1],
    ["23 in a head", "17", (reader) => reader.uint("n"), 23, 1],
    ["24 behind it", "1818", (reader) => reader.uint("n"), 24, 2],
    ["256", "190100", (reader) => reader.uint("n"), 256, 3],
    ["65536", "1a00010000", (reader) => reader.uint("n"), 65_536, 5],
    ["2^32", "1b0000000100000000", (reader) => reader.uint("n"), 2 ** 32, 9],
    ["2^53-1", "1b001fffffffffffff", (reader) => reader.uint("n"), Number.MAX_SAFE_INTEGER, 9],
    ["-1", "20", (reader) => reader.int("n"), -1, 1],
    ["bytes as few as may be", "4101", (reader) => reader.bytes("b", 1, 2), "01", 2],
    ["bytes as many", "420102", (reader) => reader.bytes("b", 1, 2), "0102", 3],
    ["bytes so many and no others", "420102", (reader) => reader.bytes("b", 2), "0102", 3],
    ["a text as short", "6161", (reader) => reader.text("t", 2, 1), "a", 2],
    ["a text as long", "626161", (reader) => reader.text("t", 2, 1), "aa", 3],
    ["a text with a mark at its start", "63efbbbf", (reader) => reader.text("t", 3), "\u{feff}", 4],
    ["an array as short", "81", (reader) => reader.array("a", 1, 2), 1, 1],
    ["an array as long", "82", (reader) => reader.array("a", 1, 2), 2, 1],
    ["an array so long and no other", "82", (reader) => reader.array("a", 2), 2, 1],
    ["a map as small", "a1", (reader) => reader.map("m", 1, 2), 1, 1],
    ["a map as large", "a2", (reader) => reader.map("m", 1, 2), 2, 1],
    ["a tag", "d1", (reader) => reader.tag("t", 17), undefined, 1],
    ["a null", "f6", (reader) => reader.takeNull(), true, 1],
    ["no null", "f5", (reader) => reader.takeNull(), false, 0],
    ["nothing as no null", "", (reader) => reader.takeNull(), false, 0],
    ["a text that comes next", "6161", (reader) => [reader.nextIsText, reader.nextIsTag], [true, false], 0],
    ["a tag that comes next", "d1", (reader) => [reader.nextIsText, reader.nextIsTag], [false, true], 0],
    ["nothing that comes next", "", (reader) => [reader.nextIsText, reader.nextIsTag], [false, false], 0],
    ["an item passed over", "820102", (reader) => reader.skip("x"), undefined, 3],
    ["the end", "", (reader) => [reader.atEnd, reader.end("x")], [true, undefined], 0],
    ["before the end", "00", (reader) => reader.atEnd, false, 0],
  ])("takes %s", (_, hex, take, value, offset) => {
    expect(read(hex, take)).toEqual([value, offset, undefined]);
  });

  test.each<[string, string, (reader: CborReader) => unknown, value: unknown, problem: string]>([
    ["one more", "182a", (reader) => reader.uint("n", 41), 0, "n is 42, above 41"],
    ["2^53", "1b0020000000000000", (reader) => reader.uint("n"), 0, "n is above 2^53-1"],
    ["23 behind a head", "1817", (reader) => reader.uint("n"), 0, "shortest"],
    ["255 in two bytes", "1900ff", (reader) => reader.uint("n"), 0, "shortest"],
    ["a head without its bytes", "1a000100", (reader) => reader.uint("n"), 0, "n is cut short"],
    ["-(2^53)", "3b001fffffffffffff", (reader) => reader.int("n"), 0, "below"],
    ["another kind", "40", (reader) => reader.uint("n"), 0, "n has CBOR major type 2, not 0"],
    ["too few bytes", "4101", (reader) => reader.bytes("b", 2, 3), "", "b has 1 bytes, not 2 to 3"],
    ["too many bytes", "44", (reader) => reader.bytes("b", 2, 3), "", "b has 4 bytes, not 2 to 3"],
    ["other than so many", "4101", (reader) => reader.bytes("b", 2), "", "b has 1 bytes, not 2 at byte 1"],
    ["bytes that are not all there", "4201", (reader) => reader.bytes("b", 2), "", "b is cut short"],
    ["too short an array", "80", (reader) => reader.array("a", 1, 2), 0, "a has 0 items, not 1 to 2"],
    ["too long an array", "83", (reader) => reader.array("a", 1, 2), 0, "a has 3 items, not 1 to 2"],
    ["other than so many items", "83", (reader) => reader.array("a", 2), 0, "a has 3 items, not 2 at byte 1"],
    ["too small a map", "a0", (reader) => reader.map("m", 1, 2), 0, "m has 0 items"],
    ["another tag", "d2", (reader) => reader.tag("t", 17), undefined, "t has tag 18, not 17"],
    ["what is no item", "82", (reader) => reader.skip("x"), undefined, "x is not well-formed"],
    ["bytes behind the end", "00", (reader) => reader.end("x"), undefined, "bytes behind the end of x"],
  ])("refuses %s, and says why and where", (_, hex, take, value, problem) => {
    const [taken, , found] = read(hex, take);
    expect(taken).toEqual(value);
    expect(found).toContain(problem);
    expect(found).toMatch(/ at byte \d+$/u);
  });

  test("the place of a problem is that of its item", () => {
    const reader = new CborReader(Buffer.from("00010203", "hex"), 1);
    expect([reader.offset, reader.uint("a"), reader.uint("b")]).toEqual([1, 1, 2]);
    expect(reader.bytes("c", 1)).toHaveLength(0);
    expect(reader.problem).toBe("c has CBOR major type 0, not 2 at byte 3");
    reader.skip("d");
    expect([reader.offset, reader.takeNull(), reader.int("e")]).toEqual([3, false, 0]);
  });

  test("a null that was refused as something else is not taken as one afterwards", () => {
    const reader = new CborReader(Buffer.from("f6", "hex"));
    reader.uint("a");
    expect([reader.takeNull(), reader.offset]).toEqual([false, 0]);
  });
});

describe("skipItem", () => {
  test.each([
    ["9f01ff", 3],
    ["bf0102ff", 4],
    ["5f4101ff", 4],
    ["7f616160ff", 5],
    ["c074", -1],
    ["c100", 2],
    ["f97e00", 3],
    ["f820", 2],
    ["f818", -1],
    ["ff", -1],
    ["9f", -1],
    ["bf01ff", -1],
    ["5f6101ff", -1],
    ["5f5fffff", -1],
    ["1c", -1],
    ["fc", -1],
    ["1f", -1],
    ["df", -1],
    ["8301", -1],
    ["a1", -1],
    ["81ff", -1],
    ["9bffffffffffffffff", -1],
    ["5bffffffffffffffff", -1],
    ["80", 1],
    ["a0", 1],
    ["3bffffffffffffffff", 9],
  ] as const)("%s ends at %i", (hex, end) => {
    expect(skipItem(Buffer.from(hex, "hex"), 0)).toBe(end);
  });

  test("follows nesting to its bound and no further", () => {
    expect(skipItem(nested(CBOR_DEPTH_MAX), 0)).toBe(CBOR_DEPTH_MAX + 1);
    expect(skipItem(nested(CBOR_DEPTH_MAX + 1), 0)).toBe(-1);
    expect(skipItem(Buffer.alloc(60_000, 0xc1), 0)).toBe(-1);
  });

  test.each(["5fff", "7fff", "9fff", "bfff", "8100", "a10000", "c100"])("counts %s as one level more", (hex) => {
    const item = Buffer.from(hex, "hex");
    const inside = (levels: number): Buffer => Buffer.concat([Buffer.alloc(levels, 0x81), item]);
    expect(skipItem(inside(CBOR_DEPTH_MAX - 1), 0)).toBe(CBOR_DEPTH_MAX - 1 + item.length);
    expect(skipItem(inside(CBOR_DEPTH_MAX), 0)).toBe(-1);
  });

  test("never says an end that lies behind the input, nor one that comes too early", () => {
    const random = seededRandom(8949);
    let whole = 0;
    for (let round = 0; round < 50_000; round++) {
      const bytes = random.bytes(1 + random.below(12));
      const end = skipItem(bytes, 0);
      if (end < 0) continue;
      expect(end).toBeLessThanOrEqual(bytes.length);
      // Cut short by one byte it is no item any more.
      expect(skipItem(bytes.subarray(0, end - 1), 0)).toBe(-1);
      whole++;
    }
    expect(whole).toBeGreaterThan(10_000);
  });
});
