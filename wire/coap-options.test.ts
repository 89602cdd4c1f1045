import { describe, expect, test } from "vitest";
import { encodeBlock, blockOffset, readBlock } from "./coap-block.ts";
import { codeClass, formatCode, isRequest, isResponse } from "./coap-codes.ts";
import {
  encodeUintOption,
  isCritical,
  isRepeatable,
  optionLengthFits,
  optionName,
  optionRule,
  OPTION_BLOCK1,
  OPTION_CONTENT_FORMAT,
  OPTION_ECHO,
  OPTION_MAX_AGE,
  OPTION_NO_RESPONSE,
  OPTION_REQUEST_TAG,
  OPTION_SIZE1,
  OPTION_URI_HOST,
  OPTION_URI_PATH,
  readUintOption,
} from "./coap-options.ts";
import { formatName } from "./content-formats.ts";
import { fc } from "./testing/fast-check.ts";

describe("uint options", () => {
  test("round trip, as short as they go", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 255, 256, 65_535, 65_536, 0xffff_ffff)),
        (value) => {
          const bytes = encodeUintOption(value);
          expect(readUintOption(bytes, 0, bytes.length)).toBe(value);
          expect(bytes[0]).not.toBe(0);
          expect(bytes.length).toBeLessThanOrEqual(4);
        },
      ),
    );
  });

  test("leading zeros are allowed (RFC 7252 §3.2), and only the given bytes are read", () => {
    expect(readUintOption(Uint8Array.of(9, 0, 0, 112, 9), 1, 3)).toBe(112);
    expect(readUintOption(Uint8Array.of(9), 1, 0)).toBe(0);
  });

  test.each([-1, 1.5, 2 ** 32, Number.NaN])("%d is no uint option", (value) => {
    expect(() => encodeUintOption(value)).toThrow(RangeError);
  });
});

describe("the option table", () => {
  test("critical options have odd numbers (RFC 7252 §5.4.6)", () => {
    for (const number of [OPTION_URI_HOST, OPTION_URI_PATH, OPTION_BLOCK1]) expect(isCritical(number)).toBe(true);
    for (const number of [OPTION_CONTENT_FORMAT, OPTION_MAX_AGE, OPTION_SIZE1, OPTION_ECHO, OPTION_REQUEST_TAG]) {
      expect(isCritical(number)).toBe(false);
    }
  });

  test.each([
    [OPTION_URI_HOST, 1, 255],
    [OPTION_URI_PATH, 0, 255],
    [OPTION_CONTENT_FORMAT, 0, 2],
    [OPTION_MAX_AGE, 0, 4],
    [OPTION_BLOCK1, 0, 3],
    [OPTION_ECHO, 1, 40],
    [OPTION_NO_RESPONSE, 0, 1],
    [OPTION_REQUEST_TAG, 0, 8],
  ])("option %i takes %i to %i bytes", (number, min, max) => {
    expect(optionLengthFits(number, min)).toBe(true);
    expect(optionLengthFits(number, max)).toBe(true);
    expect(optionLengthFits(number, max + 1)).toBe(false);
    if (min > 0) expect(optionLengthFits(number, min - 1)).toBe(false);
  });

  test("an option that is not in the table has no bounds and no name", () => {
    expect(optionLengthFits(65_000, 600)).toBe(true);
    expect(isRepeatable(65_000)).toBe(true);
    expect(optionName(65_000)).toBe("65000");
    expect(optionName(OPTION_BLOCK1)).toBe("Block1");
  });

  // RFC 7252 table 4, RFC 7641, 7959, 7967, 8613, 8768, 9175.
  test("what may stand more than once is what the RFCs say, of every option in the table", () => {
    const known = Array.from({ length: 300 }, (_, number) => number).filter((number) => optionRule(number));
    expect(known).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23, 27, 28, 35, 39, 60, 252, 258, 292]);
    expect(known.filter(isRepeatable)).toEqual([1, 4, 8, 11, 15, 20, 292]);
  });
});

describe("Block options (RFC 7959 §2.2)", () => {
  test("round trip", () => {
    const blocks = fc.record({ num: fc.nat(0xf_ffff), more: fc.boolean(), szx: fc.nat(6) });
    fc.assert(
      fc.property(blocks, (block) => {
        const bytes = encodeBlock(block);
        expect(readBlock(bytes, 0, bytes.length)).toEqual({ ok: true, value: block });
      }),
    );
  });

  test("no byte means the first and last block of 16", () => {
    expect(readBlock(new Uint8Array(0), 0, 0)).toEqual({ ok: true, value: { num: 0, more: false, szx: 0 } });
  });

  test("the offset counts in the block's own size", () => {
    expect(blockOffset({ num: 3, more: true, szx: 6 })).toBe(3072);
  });

  test("size exponent 7 and four bytes are refused", () => {
    expect(readBlock(Uint8Array.of(7), 0, 1)).toMatchObject({ ok: false, reason: "block" });
    expect(readBlock(Uint8Array.of(1, 0, 0, 0), 0, 4)).toMatchObject({ ok: false, reason: "block" });
    expect(() => encodeBlock({ num: 0, more: false, szx: 7 })).toThrow(RangeError);
    expect(() => encodeBlock({ num: 0, more: false, szx: 1.5 })).toThrow(RangeError);
    expect(() => encodeBlock({ num: 1.5, more: false, szx: 0 })).toThrow(RangeError);
    expect(() => encodeBlock({ num: 0x10_0000, more: false, szx: 0 })).toThrow(RangeError);
  });
});

test("codes and formats for people", () => {
  expect(formatCode(0x44)).toBe("2.04");
  expect(formatCode(0x9d)).toBe("4.29");
  expect([0x00, 0x02, 0x44, 0xa3].map(codeClass)).toEqual([0, 0, 2, 5]);
  expect([0x00, 0x02, 0x44].map(isRequest)).toEqual([false, true, false]);
  expect([0x02, 0x44, 0xa3, 0xe1].map(isResponse)).toEqual([false, true, true, false]);
  expect(formatName(112)).toBe("senml+cbor");
  expect(formatName(11_543)).toBe("11543");
});
