import { isIPv6 } from "node:net";
import { Decoder } from "cbor-x";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { describe, expect, test } from "vitest";
import { decodeGatewayRecord, encodeGatewayRecord, type GatewayRecord } from "./gateway-record.ts";
import { FRAME_BYTES_MAX, RECEIPT_RANGES_MAX, RECORD_OVERHEAD_BYTES_MAX, RECORDS_MAX } from "./limits.ts";
import {
  decodeRecords,
  encodeSource,
  formatSource,
  packSource,
  recordSize,
  writeRecord,
  type BatchRecord,
} from "./record.ts";
import { byteStrings, fc } from "./testing/fast-check.ts";
import { normalRanges } from "./testing/ranges-arbitrary.ts";

const sources = fc.oneof(
  fc.stringMatching(/^[a-z0-9/:.-]{1,64}$/),
  fc.constantFrom("Stall ä", "☃"),
  byteStrings(18, 18),
);
const records: fc.Arbitrary<BatchRecord> = fc.record({
  offset: fc.oneof(fc.nat(5_000_000), fc.maxSafeNat()),
  source: sources,
  format: fc.nat(0xffff),
  frame: byteStrings(0, 300),
});

function encodePayload(list: readonly BatchRecord[]): Buffer {
  const encodedSources = list.map(({ source }) => encodeSource(source));
  const sizes = list.map(({ offset, format, frame }, index) =>
    recordSize(offset, encodedSources[index]!, format, frame.length),
  );
  const payload = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [index, { offset, format, frame }] of list.entries()) {
    const end = writeRecord(payload, at, offset, encodedSources[index]!, format, frame);
    expect(end - at).toBe(sizes[index]);
    at = end;
  }
  return payload;
}

function comparable({ offset, source, format, frame }: BatchRecord): readonly unknown[] {
  return [
    offset,
    typeof source === "string" ? source : Buffer.from(source).toString("hex"),
    format,
    Buffer.from(frame).toString("hex"),
  ];
}

describe("records", () => {
  test("come back as they were, and cbor-x reads the same", () => {
    const decoder = new Decoder({ mapsAsObjects: false, useRecords: false });
    fc.assert(
      fc.property(fc.array(records, { maxLength: 8 }), (list) => {
        const payload = encodePayload(list);
        expect(expectAccepted(decodeRecords(payload)).map(comparable)).toEqual(list.map(comparable));
        const others =
          list.length === 0
            ? []
            : (decoder.decodeMultiple(payload) as readonly (readonly [number | bigint, string, number, Buffer])[]);
        const asRecords = others.map(([offset, source, format, frame]) => ({
          offset: Number(offset),
          source,
          format,
          frame,
        }));
        expect(asRecords.map(comparable)).toEqual(list.map(comparable));
      }),
    );
  });

  test("frames are views into the payload", () => {
    const payload = encodePayload([{ offset: 1, source: "a", format: 112, frame: Uint8Array.of(1, 2, 3) }]);
    const [record] = expectAccepted(decodeRecords(payload));
    payload[payload.length - 1] = 9;
    expect([...record!.frame]).toEqual([1, 2, 9]);
  });

  test("the stated overhead bounds every record", () => {
    for (const source of ["x".repeat(64), new Uint8Array(18)]) {
      const encoded = encodeSource(source);
      const size = recordSize(Number.MAX_SAFE_INTEGER, encoded, 65_535, FRAME_BYTES_MAX);
      expect(size).toBeLessThanOrEqual(RECORD_OVERHEAD_BYTES_MAX + 64 + FRAME_BYTES_MAX);
    }
  });

  test("a payload holds RECORDS_MAX records, and not one more", () => {
    const one = encodePayload([{ offset: 0, source: "a", format: 112, frame: new Uint8Array(0) }]);
    const repeat = (count: number) => Buffer.alloc(one.length * count, one);
    expect(expectAccepted(decodeRecords(repeat(RECORDS_MAX)))).toHaveLength(RECORDS_MAX);
    expect(decodeRecords(repeat(RECORDS_MAX + 1))).toMatchObject({ ok: false, reason: "records" });
  });

  test.each([[""], ["x".repeat(65)], [new Uint8Array(17)]])("a source %o is a programmer error", (source) => {
    expect(() => encodeSource(source)).toThrow(RangeError);
  });
});

const packed = (hex: string, port: number) => formatSource(packSource(Buffer.from(hex, "hex"), port));

describe("sources for people", () => {
  test.each([
    ["20010db8000000000000000000000001", 5683, "[2001:db8::1]:5683"],
    ["00000000000000000000000000000000", 1, "[::]:1"],
    ["00000000000000000000000000000001", 65_535, "[::1]:65535"],
    ["20010db8000000010001000100010001", 9, "[2001:db8:0:1:1:1:1:1]:9"],
    ["20010db8000000000001000000000001", 9, "[2001:db8::1:0:0:1]:9"],
    ["fe800000000000000000000000000000", 9, "[fe80::]:9"],
    ["00010002000300040005000600070008", 9, "[1:2:3:4:5:6:7:8]:9"],
    ["00000000000300040005000600000000", 9, "[::3:4:5:6:0:0]:9"],
  ])("%s port %i is %s (RFC 5952)", (hex, port, text) => {
    expect(packed(hex, port)).toBe(text);
  });

  test("any address is one that others read, and as short as URL makes it", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 0, 1, 0xdb8, 0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
        const bytes = Buffer.alloc(16);
        for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, index * 2);
        const text = formatSource(packSource(bytes, 7));
        const address = /^\[(.*)\]:7$/.exec(text)![1]!;
        expect(isIPv6(address)).toBe(true);
        expect(new URL(`http://[${address}]`).hostname).toBe(`[${address}]`);
      }),
    );
  });

  test("an id stands for itself", () => {
    expect(formatSource("barn-1")).toBe("barn-1");
  });
});

const gatewayRecords: fc.Arbitrary<GatewayRecord> = fc.oneof(
  fc.record({
    kind: fc.constant("loss" as const),
    reason: fc.string({ maxLength: 30 }),
    epoch: fc.nat(0xffff_ffff),
    ranges: normalRanges,
    records: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
  }),
  fc.record({ kind: fc.constant("clock-step" as const), before: safeIntegers(), after: safeIntegers() }),
  fc.record({
    kind: fc.constant("epoch-change" as const),
    reason: fc.string({ maxLength: 30 }),
    previousEpoch: fc.nat(0xffff_ffff),
    lastSeq: fc.option(fc.maxSafeNat()),
  }),
);

/** Without -0, which CBOR integers do not have. */
function safeIntegers(): fc.Arbitrary<number> {
  return fc.maxSafeInteger().map((value) => value + 0);
}

describe("the gateway's own records", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(gatewayRecords, (record) => {
        expect(decodeGatewayRecord(encodeGatewayRecord(record))).toEqual({ ok: true, value: record });
      }),
    );
  });

  test("more ranges than a receipt may have are refused", () => {
    const ranges = Array.from({ length: RECEIPT_RANGES_MAX + 1 }, (_, index) => [index * 2, index * 2] as const);
    const record = { kind: "loss", reason: "evicted", epoch: 0, records: 0, bytes: 0 } as const;
    expect(decodeGatewayRecord(encodeGatewayRecord({ ...record, ranges: ranges.slice(1) })).ok).toBe(true);
    expect(decodeGatewayRecord(encodeGatewayRecord({ ...record, ranges }))).toMatchObject({
      ok: false,
      reason: "gateway-record",
    });
  });

  test.each([
    [[[5, 4]]],
    [
      [
        [0, 1],
        [2, 3],
      ],
    ],
    [
      [
        [4, 5],
        [0, 1],
      ],
    ],
  ])("ranges %j are refused", (ranges) => {
    const record = {
      kind: "loss",
      reason: "evicted",
      epoch: 0,
      ranges: ranges as never,
      records: 0,
      bytes: 0,
    } as const;
    expect(decodeGatewayRecord(encodeGatewayRecord(record))).toMatchObject({ ok: false, reason: "gateway-record" });
  });
});
