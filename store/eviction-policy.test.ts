import * as fc from "fast-check";
import { expect, test } from "vitest";
import { contains, countOf } from "@paddock/base/ranges.ts";
import { evictable, EvictionChoice } from "./eviction-policy.ts";
import type { ChainId } from "./types.ts";

const chains: ChainId[] = [0, 1].map((epoch) => ({ gateway: Buffer.alloc(32), lane: 1, epoch }));

test("takes the oldest payloads until enough is free, and no more", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 30, size: "max" });
  fc.assert(
    fc.property(sizes, fc.nat(1500), fc.nat(30), (all, needed, split) => {
      const choice = new EvictionChoice(needed);
      const candidates = all.map((payloadBytes, index) => ({
        chain: chains[index < split ? 0 : 1]!,
        seq: index,
        payloadBytes,
        records: 2,
      }));
      for (const candidate of candidates) choice.consider(candidate, String(candidate.chain.epoch));
      const plan = choice.plan();
      const chosen = candidates.filter(({ chain, seq }) =>
        plan.evict.some((eviction) => eviction.chain === chain && contains(eviction.seqs, seq)),
      );
      const sum = chosen.reduce((total, { payloadBytes }) => total + payloadBytes, 0);
      expect(plan.bytes).toBe(sum);
      expect(plan.evict.reduce((total, { bytes }) => total + bytes, 0)).toBe(sum);
      for (const { seqs, records } of plan.evict) expect(records).toBe(2 * countOf(seqs));
      const last = chosen.at(-1);
      if (last === undefined) expect(needed === 0 || all.every((size) => size === 0)).toBe(true);
      else expect(sum - last.payloadBytes).toBeLessThan(needed);
      const older = candidates.filter(({ seq, payloadBytes }) => payloadBytes > 0 && seq < (last?.seq ?? 0));
      expect(older.every((candidate) => chosen.includes(candidate))).toBe(true);
      if (sum < needed) expect(chosen.length).toBe(all.filter((size) => size > 0).length);
    }),
  );
});

test("the head is never given up", () => {
  expect(evictable([[0, 5]], 5)).toEqual([[0, 4]]);
  expect(
    evictable(
      [
        [0, 1],
        [5, 5],
      ],
      5,
    ),
  ).toEqual([[0, 1]]);
  expect(evictable([[0, 3]], 5)).toEqual([[0, 3]]);
  expect(evictable([], undefined)).toEqual([]);
});
