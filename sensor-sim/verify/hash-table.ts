/**
 * SHA-256 hashes with a few numbers each, in typed arrays: a million frames take some 60 MB, where a Map of strings
 * takes several times that. Keys are the first 16 bytes of a hash; two frames that agree in these do not exist.
 */
const WORDS = 4;

export class HashTable {
  #capacity: number;
  #words: Uint32Array;
  #slotOf: Int32Array;
  #size = 0;

  constructor(capacity = 1024) {
    this.#capacity = capacity;
    this.#words = new Uint32Array(capacity * WORDS);
    this.#slotOf = new Int32Array(capacity * 2).fill(-1);
  }

  get size(): number {
    return this.#size;
  }

  /** The dense index of a hash, or -1. */
  find(hash: Buffer): number {
    const mask = this.#slotOf.length - 1;
    for (let at = hash.readUInt32LE(0) & mask; ; at = (at + 1) & mask) {
      const index = this.#slotOf[at]!;
      if (index < 0 || this.#equals(index, hash)) return index;
    }
  }

  /** The dense index of a hash, which is added when it is new: then the index is the size before. */
  add(hash: Buffer): number {
    const found = this.find(hash);
    if (found >= 0) return found;
    if (this.#size === this.#capacity) this.#grow();
    const index = this.#size++;
    for (let word = 0; word < WORDS; word++) this.#words[index * WORDS + word] = hash.readUInt32LE(word * 4);
    this.#place(index);
    return index;
  }

  #equals(index: number, hash: Buffer): boolean {
    for (let word = 0; word < WORDS; word++) {
      if (this.#words[index * WORDS + word] !== hash.readUInt32LE(word * 4)) return false;
    }
    return true;
  }

  #place(index: number): void {
    const mask = this.#slotOf.length - 1;
    let at = this.#words[index * WORDS]! & mask;
    while (this.#slotOf[at]! >= 0) at = (at + 1) & mask;
    this.#slotOf[at] = index;
  }

  #grow(): void {
    this.#capacity *= 2;
    const words = new Uint32Array(this.#capacity * WORDS);
    words.set(this.#words);
    this.#words = words;
    this.#slotOf = new Int32Array(this.#capacity * 2).fill(-1);
    for (let index = 0; index < this.#size; index++) this.#place(index);
  }
}

/** A Float64Array that grows. */
export class NumberList {
  #values = new Float64Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  sorted(): Float64Array {
    return this.#values.subarray(0, this.#length).toSorted();
  }
}
