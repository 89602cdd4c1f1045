import { randomBytes } from "node:crypto";

/** Chance as a parameter: a seed reproduces a run. Not for keys; those come from node:crypto. */
export interface Random {
  /** A 32-bit unsigned integer. */
  uint32(): number;
  /** A float in [0, 1). */
  float(): number;
  /** An integer in [0, bound). `bound` is 1 to 2^32. */
  below(bound: number): number;
  bytes(length: number): Buffer;
}

/**
 * sfc32 (Chris Doty-Humphrey's Small Fast Counter, PractRand), seeded through a splitmix-style mixer. The sequence for
 * a seed is part of the simulator's promise: never change it.
 */
export function seededRandom(seed: number): Random {
  let mixer = seed >>> 0;
  const mix = (): number => {
    mixer = (mixer + 0x9e3779b9) >>> 0;
    let z = mixer;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const uint32 = (): number => {
    const result = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + result) >>> 0;
    return result;
  };
  for (let warmUp = 0; warmUp < 12; warmUp++) uint32();
  return fromUint32(uint32);
}

/** Chance from the operating system. */
export const systemRandom: Random = (() => {
  let pool = Buffer.alloc(0);
  let used = 0;
  return fromUint32(() => {
    if (used + 4 > pool.length) {
      pool = randomBytes(1024);
      used = 0;
    }
    const value = pool.readUInt32LE(used);
    used += 4;
    return value;
  });
})();

function fromUint32(uint32: () => number): Random {
  return {
    uint32,
    float: () => uint32() / 0x1_0000_0000,
    below: (bound) => Math.floor((uint32() / 0x1_0000_0000) * bound),
    bytes(length) {
      const bytes = Buffer.allocUnsafe(length);
      for (let index = 0; index < length; index++) bytes[index] = uint32() & 0xff;
      return bytes;
    },
  };
}
