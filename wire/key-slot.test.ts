import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeSlot,
  encodeHead,
  encodeSlot,
  HEAD_BYTES,
  judgeHead,
  KEY_BYTES,
  SLOT_BYTES,
  SLOT_OFFSETS,
  type KeySlot,
} from "./key-slot.ts";

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((one) => Buffer.from(one));
const area = fc.uint8Array({ minLength: 1, maxLength: 600 }).map((one) => Buffer.from(one));
const slots: fc.Arbitrary<KeySlot> = fc.oneof(
  fc.constant({ keeper: "none" } as const),
  fc.record({ keeper: fc.constant("disk" as const), key: bytes(KEY_BYTES) }),
  fc.record({
    keeper: fc.constant("tpm" as const),
    sealed: fc.record({ publicArea: area, privateArea: area }),
  }),
);
const signed = (text: string) => Buffer.from(`${text}sha256 ${createHash("sha256").update(text).digest("hex")}\n`);
const DISK: KeySlot = { keeper: "disk", key: Buffer.alloc(KEY_BYTES, 0xa5) };

test("a slot reads as it was written, from a sector of its own", () => {
  fc.assert(
    fc.property(slots, (slot) => {
      const written = encodeSlot(slot);
      expect(written.length).toBe(SLOT_BYTES);
      expect(decodeSlot(written)).toEqual(slot);
    }),
  );
});

test("a slot with any bit changed is none", () => {
  fc.assert(
    fc.property(slots, fc.nat(SLOT_BYTES * 8 - 1), (slot, bit) => {
      const written = encodeSlot(slot);
      written[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeSlot(written)).toBeUndefined();
    }),
  );
});

test("what is no slot is none, however it looks", () => {
  expect(decodeSlot(signed("paddock-data 1\nkeeper none\n"))).toEqual({ keeper: "none" });
  for (const text of [
    "paddock-data 2\nkeeper none\n",
    "paddock-data 1\nkeeper somebody\n",
    "paddock-data 1\nkeeper none\nmore x\n",
    "paddock-data 1\nkeeper disk\n",
    "paddock-data 1\nkeeper disk\nkey a5\n",
    `paddock-data 1\nkeeper disk\nkey ${"A5".repeat(KEY_BYTES)}\n`,
    "paddock-data 1\nkeeper tpm\npublic 00\n",
    "paddock-data 1\n",
  ])
    expect(decodeSlot(signed(text)), text).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array(), (any) => decodeSlot(any) === undefined));
});

test("a loss of power while the slots are written leaves a partition that opens, or one that is made anew", () => {
  fc.assert(
    fc.property(fc.nat(2 * SLOT_BYTES), (cut) => {
      const head = Buffer.concat([encodeHead({ keeper: "none" }), Buffer.alloc(HEAD_BYTES)]);
      const slot = encodeSlot(DISK);
      // The copy is written first.
      slot.copy(head, SLOT_OFFSETS[1], 0, Math.min(cut, SLOT_BYTES));
      slot.copy(head, SLOT_OFFSETS[0], 0, Math.max(0, cut - SLOT_BYTES));
      const content = judgeHead(head);
      expect(content).toMatchObject({ kind: "slot" });
      // Nothing was mounted before both were written.
      expect([{ keeper: "none" }, DISK]).toContainEqual(content.kind === "slot" ? content.slot : undefined);
    }),
  );
});

test("a copy opens a partition whose first slot is damaged", () => {
  const head = encodeHead(DISK);
  head.fill(0xff, 0, SLOT_BYTES);
  expect(judgeHead(head)).toEqual({ kind: "slot", slot: DISK });
});

test("an ext4 file system is told from noise and from nothing", () => {
  const head = Buffer.alloc(HEAD_BYTES);
  expect(judgeHead(head)).toEqual({ kind: "unknown" });
  head.writeUInt16LE(0xef53, 1024 + 56);
  expect(judgeHead(head)).toEqual({ kind: "plain" });
  expect(judgeHead(Buffer.alloc(10))).toEqual({ kind: "unknown" });
});

test("a head without a key holds no key", () => {
  const head = encodeHead({ keeper: "none" });
  expect(head.length).toBeLessThanOrEqual(HEAD_BYTES);
  expect(judgeHead(head)).toEqual({ kind: "slot", slot: { keeper: "none" } });
});
