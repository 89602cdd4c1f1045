import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Lane } from "@paddock/wire/lanes.ts";
import {
  chainBytes,
  chainOfBytes,
  KEY_SPACES,
  logKey,
  logOffsetOfKey,
  prefixRange,
  seqKey,
  seqOfKey,
  sideKey,
  sideNameOfKey,
} from "./keyspace.ts";
import { testIdentity } from "./testing/sealer.ts";

const seq = fc.maxSafeNat();
const chain = chainBytes({ gateway: testIdentity().id, lane: 1, epoch: 7 });

test("numbers of key spaces are never reused", () => {
  expect(KEY_SPACES).toEqual({
    format: 0,
    chain: 1,
    header: 2,
    payload: 3,
    receipt: 4,
    side: 5,
    log: 6,
    duty: 7,
    revoked: 8,
    incarnation: 9,
    sideTotal: 10,
  });
});

test("keys sort as their numbers do and give them back", () => {
  fc.assert(
    fc.property(seq, seq, (left, right) => {
      const order = Math.sign(left - right);
      expect(
        Math.sign(Buffer.compare(seqKey(KEY_SPACES.header, chain, left), seqKey(KEY_SPACES.header, chain, right))),
      ).toBe(order);
      expect(Math.sign(Buffer.compare(logKey(left), logKey(right)))).toBe(order);
      expect(seqOfKey(seqKey(KEY_SPACES.payload, chain, left))).toBe(left);
      expect(logOffsetOfKey(logKey(right))).toBe(right);
    }),
  );
});

test("a chain's 37 bytes give the chain back", () => {
  const id = fc.record({
    gateway: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    lane: fc.constantFrom<Lane>(0, 1, 2),
    epoch: fc.integer({ min: 0, max: 0xffff_ffff }),
  });
  fc.assert(
    fc.property(id, (one) => {
      expect(chainOfBytes(chainBytes(one))).toEqual(one);
    }),
  );
  expect(() => chainBytes({ gateway: Buffer.alloc(31), lane: 0, epoch: 0 })).toThrow(RangeError);
});

test("a prefix range holds exactly the keys with that prefix", () => {
  const unit = fc.constantFrom("a", "b", "/", "\u0000", "é", "\u{10ffff}");
  const name = fc.string({ minLength: 1, maxLength: 30, unit });
  fc.assert(
    fc.property(name, name, (prefix, other) => {
      const { gte, lt } = prefixRange(KEY_SPACES.side, Buffer.from(prefix, "utf8"));
      for (const candidate of [other, prefix, prefix + other.slice(0, 5)]) {
        const key = sideKey(candidate);
        const inside = key.compare(gte) >= 0 && key.compare(lt) < 0;
        expect(inside).toBe(Buffer.from(candidate).subarray(0, Buffer.byteLength(prefix)).equals(Buffer.from(prefix)));
        expect(sideNameOfKey(key)).toBe(Buffer.from(candidate, "utf8").toString("utf8"));
      }
    }),
  );
  expect(prefixRange(KEY_SPACES.side, Buffer.of(0xff, 0xff)).lt).toEqual(Buffer.of(KEY_SPACES.side + 1));
});
