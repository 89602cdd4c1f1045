import * as fc from "fast-check";
import { expect, test } from "vitest";
import { union, type Ranges } from "@paddock/base/ranges.ts";
import {
  decodeChainState,
  emptyChain,
  encodeChainState,
  rangeAround,
  withSeq,
  type ChainState,
} from "./chain-state.ts";
import { chainBytes } from "./keyspace.ts";

const id = { gateway: Buffer.alloc(32, 5), lane: 1, epoch: 2 } as const;
const key = chainBytes(id);
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ranges = fc.array(fc.nat(200)).map((seqs) => seqs.reduce<Ranges>((all, seq) => union(all, [[seq, seq]]), []));
const state: fc.Arbitrary<ChainState> = fc.record({
  id: fc.constant(id),
  key: fc.constant(key),
  written: fc.maxSafeNat(),
  head: fc.option(fc.record({ seq: fc.maxSafeNat(), hash }), { nil: undefined }),
  held: ranges,
  trimmed: ranges,
  evicted: ranges,
  acknowledged: ranges,
  linked: fc.maxSafeNat(),
  linkedHead: fc.option(hash, { nil: undefined }),
  bytes: fc.maxSafeNat(),
  records: fc.maxSafeNat(),
  unacknowledgedBytes: fc.maxSafeNat(),
  unacknowledgedRecords: fc.maxSafeNat(),
});

test("a state is read back as it was written", () => {
  fc.assert(
    fc.property(state, (one) => {
      expect(decodeChainState(id, key, encodeChainState(one))).toEqual(one);
    }),
  );
});

test("bytes that are no state are refused in words", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(typeof decodeChainState(id, key, bytes)).toBe("string");
    }),
  );
  const encoded = encodeChainState(emptyChain(id, key));
  for (let length = 0; length < encoded.length; length++) {
    expect(typeof decodeChainState(id, key, encoded.subarray(0, length))).toBe("string");
  }
});

test("withSeq is the union with one seq, rangeAround finds it", () => {
  fc.assert(
    fc.property(ranges, fc.nat(210), (set, seq) => {
      const result = withSeq(set, seq);
      expect(result).toEqual(union(set, [[seq, seq]]));
      const around = rangeAround(result, seq);
      expect(around !== undefined && around[0] <= seq && seq <= around[1]).toBe(true);
      expect(rangeAround(result, 1000)).toBeUndefined();
    }),
  );
});

test("all sets of a few seqs: withSeq is the union with one seq, rangeAround finds what is in it and nothing else", () => {
  for (let bits = 0; bits < 256; bits++) {
    const has = (seq: number): boolean => seq < 8 && ((bits >> seq) & 1) === 1;
    const set = Array.from({ length: 8 }, (_, seq) => seq)
      .filter(has)
      .reduce<Ranges>((all, seq) => union(all, [[seq, seq]]), []);
    for (let seq = 0; seq < 10; seq++) {
      expect(withSeq(set, seq)).toEqual(union(set, [[seq, seq]]));
      const around = rangeAround(set, seq);
      expect(around !== undefined).toBe(has(seq));
      if (around !== undefined) expect(set).toContainEqual(around);
    }
  }
});

test("bytes behind a state, and ranges that are not sorted or touch, are no state", () => {
  const empty = emptyChain(id, key);
  const read = (change: Partial<ChainState>, more = 0) =>
    decodeChainState(id, key, Buffer.concat([encodeChainState({ ...empty, ...change }), Buffer.alloc(more)]));
  expect(read({})).toEqual(empty);
  expect(read({}, 1)).toContain("bytes behind the end of chain state");
  for (const bad of [
    [
      [5, 6],
      [1, 2],
    ],
    [
      [1, 2],
      [3, 4],
    ],
    [[6, 5]],
  ] as const) {
    for (const field of ["held", "trimmed", "evicted", "acknowledged"] as const) {
      expect(read({ [field]: bad })).toContain(`${field} is not sorted and disjoint`);
    }
  }
});
