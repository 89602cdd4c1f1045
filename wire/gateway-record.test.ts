import { describe, expect, test } from "vitest";
import { decodeGatewayRecord, encodeGatewayRecord, type GatewayRecord } from "./gateway-record.ts";
import { DIRECTIVE_ID_BYTES } from "./limits.ts";

/** By kind, from 1. */
const RECORDS: readonly GatewayRecord[] = [
  { kind: "loss", reason: "evicted", epoch: 7, ranges: [[0, 4]], records: 9, bytes: 100 },
  { kind: "clock-step", before: -5, after: 1_700_000_000_000 },
  { kind: "epoch-change", reason: "fork", previousEpoch: 3, lastSeq: 12 },
  { kind: "directive", id: Buffer.alloc(DIRECTIVE_ID_BYTES, 1), outcome: "applied", subject: "config 3", reason: "" },
];

/** The kind stands behind the head of the array, in one byte. */
function ofKind(record: GatewayRecord, kind: number): Buffer {
  const bytes = Buffer.from(encodeGatewayRecord(record));
  bytes[1] = kind;
  return bytes;
}

describe("the gateway's own records", () => {
  test.each(RECORDS)("$kind comes back as what it was, under its own kind alone", (record) => {
    const own = RECORDS.indexOf(record) + 1;
    for (let kind = 0; kind <= 6; kind++) {
      const outcome = decodeGatewayRecord(ofKind(record, kind));
      if (kind === own) expect(outcome).toMatchObject({ ok: true, value: record });
      else expect(outcome, `kind ${kind}`).toMatchObject({ ok: false, reason: "gateway-record" });
    }
  });

  test("one of a kind to come is refused by its number, whatever it holds", () => {
    for (const items of [1, 2, 3, 4, 5, 6]) {
      const frame = Buffer.from([0x80 | items, 9, ...Array.from({ length: items - 1 }, () => 0)]);
      expect(decodeGatewayRecord(frame)).toMatchObject({ ok: false, reason: "gateway-record" });
    }
    expect(decodeGatewayRecord(Buffer.from([0x81, 9]))).toMatchObject({ detail: "unknown kind 9" });
  });

  test("an outcome of a directive that is none is refused by its number", () => {
    const bytes = Buffer.from(encodeGatewayRecord(RECORDS[3]!));
    // Behind the heads of array and kind and the id with its head.
    const at = 3 + DIRECTIVE_ID_BYTES;
    const outcomes = Array.from({ length: 24 }, (_, outcome) => {
      bytes[at] = outcome;
      return decodeGatewayRecord(bytes);
    });
    const known = outcomes.filter(({ ok }) => ok);
    expect(known.length).toBeGreaterThan(1);
    expect(outcomes.slice(0, known.length)).toEqual(known);
    for (const outcome of known) expect(outcome).toMatchObject({ value: { outcome: expect.any(String) as string } });
  });

  test("the last epoch may have ended before its first batch", () => {
    const record = { kind: "epoch-change", reason: "fork", previousEpoch: 3, lastSeq: null } as const;
    expect(decodeGatewayRecord(encodeGatewayRecord(record))).toMatchObject({ ok: true, value: record });
  });
});
