/**
 * Deterministic CBOR (RFC 8949 §4.2.1) for the few structures that Paddock itself produces: shortest heads, definite
 * lengths. Map keys are the caller's duty: write them in bytewise order of their encodings.
 */

/** Bytes that the head of an item with this argument takes. `value` is 0 to 2^53-1. */
export function headSize(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : 9;
}

/** Writes a head at `offset` and returns the offset behind it. `major` is 0 to 7, `value` 0 to 2^53-1. */
export function writeHead(target: Uint8Array, offset: number, major: number, value: number): number {
  const top = major << 5;
  if (value < 24) {
    target[offset] = top | value;
    return offset + 1;
  }
  if (value < 0x100) {
    target[offset] = top | 24;
    target[offset + 1] = value;
    return offset + 2;
  }
  if (value < 0x1_0000) {
    target[offset] = top | 25;
    target[offset + 1] = value >> 8;
    target[offset + 2] = value & 0xff;
    return offset + 3;
  }
  if (value < 0x1_0000_0000) {
    target[offset] = top | 26;
    writeUint32(target, offset + 1, value);
    return offset + 5;
  }
  target[offset] = top | 27;
  writeUint32(target, offset + 1, Math.floor(value / 0x1_0000_0000));
  writeUint32(target, offset + 5, value >>> 0);
  return offset + 9;
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = (value >>> 16) & 0xff;
  target[offset + 2] = (value >>> 8) & 0xff;
  target[offset + 3] = value & 0xff;
}

/** Appends items to a growing buffer. Not for the hot path, which writes into its own memory with `writeHead`. */
export class CborWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  /** A whole number from -(2^53-1) to 2^53-1. Throws RangeError otherwise. */
  int(value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
    return value >= 0 ? this.#head(0, value) : this.#head(1, -1 - value);
  }

  bytes(value: Uint8Array): this {
    return this.#head(2, value.length).raw(value);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    return this.#head(3, bytes.length).raw(bytes);
  }

  array(items: number): this {
    return this.#head(4, items);
  }

  map(pairs: number): this {
    return this.#head(5, pairs);
  }

  tag(tag: number): this {
    return this.#head(6, tag);
  }

  boolean(value: boolean): this {
    return this.raw(value ? TRUE : FALSE);
  }

  null(): this {
    return this.raw(NULL);
  }

  /** An item that is encoded already. */
  raw(encoded: Uint8Array): this {
    this.#reserve(encoded.length);
    this.#bytes.set(encoded, this.#length);
    this.#length += encoded.length;
    return this;
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  /** What was written, without a copy: nothing may be written after it. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #head(major: number, value: number): this {
    this.#reserve(9);
    this.#length = writeHead(this.#bytes, this.#length, major, value);
    return this;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

const TRUE = Uint8Array.of(0xf5);
const FALSE = Uint8Array.of(0xf4);
const NULL = Uint8Array.of(0xf6);
