import { describe, expect, test } from "vitest";
import { seededRandom, systemRandom } from "./random.ts";

const firstOf = (seed: number) => {
  const random = seededRandom(seed);
  return [random.uint32(), random.uint32(), random.uint32()];
};

describe("seededRandom", () => {
  test("the sequence of a seed never changes: it is part of the simulator's promise", () => {
    expect(firstOf(0)).toEqual([2899526011, 769844623, 220372281]);
    expect(firstOf(7)).toEqual([1953209201, 274027627, 1787915724]);
    expect(firstOf(0xffff_ffff)).toEqual([2300869303, 3917632794, 3726809994]);
    expect(seededRandom(7).bytes(8).toString("hex")).toBe("716bcc361fd9c2d3");
    expect(seededRandom(7).below(6)).toBe(2);
  });

  test("seeds differ from each other", () => {
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => seededRandom(seed).uint32()));
    expect(firsts.size).toBeGreaterThan(995);
  });
});

describe.each([
  ["seeded", seededRandom(42)],
  ["system", systemRandom],
] as const)("%s", (_, random) => {
  test("stays within its bounds and reaches all of them", () => {
    const counts = new Map<number, number>();
    for (let round = 0; round < 60_000; round++) {
      const value = random.below(6);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted((left, right) => left - right)).toEqual([0, 1, 2, 3, 4, 5]);
    // Ten thousand each; 9.1 standard deviations of room.
    for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(830);
    for (let round = 0; round < 1000; round++) {
      const float = random.float();
      expect(float >= 0 && float < 1).toBe(true);
      const word = random.uint32();
      expect(Number.isInteger(word) && word >= 0 && word <= 0xffff_ffff).toBe(true);
    }
    expect(random.below(1)).toBe(0);
    expect(random.bytes(33)).toHaveLength(33);
  });
});
