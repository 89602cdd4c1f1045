import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeRecords,
  encodeSource,
  FORMAT_GATEWAY,
  recordSize,
  writeRecord,
  type BatchRecord,
} from "@paddock/wire/record.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { walkRecords } from "./walk-records.ts";

function encode(records: readonly BatchRecord[]): Buffer {
  const parts = records.map(({ offset, source, format, frame }) => {
    const encoded = encodeSource(source);
    const part = Buffer.alloc(recordSize(offset, encoded, format, frame.length));
    writeRecord(part, 0, offset, encoded, format, frame);
    return part;
  });
  return Buffer.concat(parts);
}

const record: fc.Arbitrary<BatchRecord> = fc.record({
  offset: fc.oneof(fc.nat(300), fc.maxSafeNat()),
  source: fc.oneof(fc.stringMatching(/^[a-z0-9]{1,64}$/u), fc.uint8Array({ minLength: 18, maxLength: 18 })),
  format: fc.oneof(fc.nat(0xffff), fc.constant(FORMAT_GATEWAY)),
  frame: fc.uint8Array({ maxLength: 400 }),
});

describe("walking a payload", () => {
  test("takes every payload of records with their count, and finds the gateway's own", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20, size: "max" }), (records) => {
        const walked = walkRecords(encode(records), records.length);
        const own = records.filter(({ format }) => format === FORMAT_GATEWAY).map(({ frame }) => Buffer.from(frame));
        expect(walked.ok && walked.value.map((frame) => Buffer.from(frame))).toEqual(own);
        expect(walkRecords(encode(records), records.length + 1).ok).toBe(false);
      }),
    );
  });

  test("agrees with the full decoder on altered and on random bytes", () => {
    const altered = fc
      .tuple(fc.array(record, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255))
      .map(([records, at, value]) => {
        const payload = encode(records);
        payload[at % payload.length] = value;
        return payload;
      });
    fc.assert(
      fc.property(fc.oneof(altered, fc.uint8Array({ maxLength: 60 })), (payload) => {
        const decoded = decodeRecords(payload);
        if (decoded.ok) expect(walkRecords(payload, decoded.value.length).ok).toBe(true);
        else for (let count = 0; count < 6; count++) expect(walkRecords(payload, count).ok).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["an empty id", Buffer.from("8400600040", "hex")],
    ["an id that is no UTF-8", Buffer.from("840062c3280040", "hex")],
    ["an id with half a surrogate pair", Buffer.from("840063eda0800040", "hex")],
    ["an offset in a longer form", Buffer.from("84180061610040", "hex")],
    ["an offset in a much longer form", Buffer.from("841b000000000000000061610040", "hex")],
    ["an offset in a longer form that ends as an id begins", Buffer.from("84190061610040", "hex")],
    ["an id's length in a longer form", Buffer.from("84007801610040", "hex")],
    ["a format in a longer form", Buffer.from("84006161180040", "hex")],
    ["a frame's length in a longer form", Buffer.from("84006161005800", "hex")],
    ["an offset that is no exact number", Buffer.from("841b002000000000000061610040", "hex")],
    ["an id of 65 bytes", Buffer.from(`84007841${"61".repeat(65)}0040`, "hex")],
    ["a frame that is not all there", Buffer.from("8400616100426a", "hex")],
    ["a record without its last head", Buffer.from("8400616100", "hex")],
  ])("refuses %s, as readers do", (_, payload) => {
    expect(decodeRecords(payload).ok).toBe(false);
    expect(walkRecords(payload, 1).ok).toBe(false);
  });

  test("takes the largest of everything, and not one more", () => {
    const largest = {
      offset: Number.MAX_SAFE_INTEGER,
      source: "a".repeat(64),
      format: 0xffff,
      frame: new Uint8Array(),
    };
    const payload = (more: Partial<BatchRecord>) => encode([{ ...largest, ...more }]);
    expect(walkRecords(payload({}), 1).ok).toBe(true);
    expect(walkRecords(payload({ frame: new Uint8Array(FRAME_BYTES_MAX) }), 1).ok).toBe(true);
    expect(walkRecords(payload({ frame: new Uint8Array(FRAME_BYTES_MAX + 1) }), 1).ok).toBe(false);
    expect(walkRecords(payload({ format: 0x10000 }), 1).ok).toBe(false);
  });

  test("takes an id beyond ASCII", () => {
    const payload = encode([{ offset: 0, source: "θ-1", format: 112, frame: Buffer.from([1]) }]);
    expect(walkRecords(payload, 1).ok).toBe(true);
  });
});
