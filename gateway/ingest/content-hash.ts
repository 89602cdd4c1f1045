import type { Random } from "@paddock/base/random.ts";

/**
 * A 64-bit hash of bytes under a random seed, as two 32-bit halves so that nothing is allocated. It tells messages
 * apart; it is not a signature: who can choose both messages and learn the seed could make two collide, and would gain
 * that his own second message counts as a copy of his first.
 */
export class ContentHash {
  low = 0;
  high = 0;
  readonly #seedLow: number;
  readonly #seedHigh: number;

  constructor(random: Pick<Random, "uint32">) {
    this.#seedLow = random.uint32() | 0;
    this.#seedHigh = random.uint32() | 0;
  }

  /** Sets `low` and `high` for these bytes together with two numbers of context, such as the endpoint. */
  of(bytes: Uint8Array, contextLow = 0, contextHigh = 0): void {
    const length = bytes.length;
    let low = Math.imul(this.#seedLow ^ contextLow, 0x9e3779b1) ^ length;
    let high = Math.imul(this.#seedHigh ^ contextHigh, 0x85ebca77) + length;
    let at = 0;
    for (const whole = length & ~3; at < whole; at += 4) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      low = Math.imul(low ^ word, 0xcc9e2d51);
      low = (low << 13) | (low >>> 19);
      high = Math.imul((high + word) | 0, 0x1b873593);
      high = ((high << 17) | (high >>> 15)) ^ word;
    }
    let rest = 0;
    for (; at < length; at++) rest = (rest << 8) | bytes[at]!;
    low = Math.imul(low ^ rest, 0xcc9e2d51);
    high = Math.imul((high + rest) | 0, 0x1b873593);
    low ^= high >>> 15;
    low = Math.imul(low ^ (low >>> 16), 0x21f0aaad);
    low ^= low >>> 15;
    high = Math.imul(high ^ (high >>> 16) ^ low, 0x735a2d97);
    high ^= high >>> 15;
    this.low = low | 0;
    this.high = high | 0;
  }
}
