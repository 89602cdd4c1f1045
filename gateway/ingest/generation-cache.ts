/**
 * A bounded map that forgets what was not used lately, at constant cost: two generations of which the older is dropped
 * when the younger is full. An entry survives if it is used at least once per generation.
 */
export class GenerationCache<Key, Value> {
  readonly #generationSize: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /** At most `maxEntries` entries, and at least the `maxEntries / 2` used last. */
  constructor(maxEntries: number) {
    this.#generationSize = Math.max(1, maxEntries >> 1);
  }

  /** Entries held, counting one that is in both generations twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#generationSize && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  /** Every entry once, the younger generation first. */
  *entries(): Generator<[Key, Value]> {
    yield* this.#young;
    for (const entry of this.#old) if (!this.#young.has(entry[0])) yield entry;
  }
}
