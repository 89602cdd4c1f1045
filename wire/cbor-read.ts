import { CBOR_DEPTH_MAX } from "./limits.ts";

/**
 * A strict reader for the deterministic CBOR (RFC 8949 §4.2.1) that Paddock itself produces. It never throws: the
 * first item that does not fit sets `problem`, and every later read returns a harmless default, so that a decoder reads
 * straight through and looks at `problem` once, at the end.
 */
export class CborReader {
  readonly #bytes: Uint8Array;
  #offset: number;
  /** What did not fit, in words, or undefined while all is well. */
  problem: string | undefined;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  /** Notes a problem; the first one stays. */
  fail(problem: string): void {
    this.problem ??= `${problem} at byte ${this.#offset}`;
  }

  /** A whole number from 0 to `max`. */
  uint(what: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#head(0, what);
    if (value <= max) return value;
    this.fail(`${what} is ${value}, above ${max}`);
    return 0;
  }

  /** A whole number of either sign, within the safe integers. */
  int(what: string): number {
    if (this.problem !== undefined || this.#peekMajor() !== 1) return this.#head(0, what);
    const argument = this.#head(1, what);
    if (argument === Number.MAX_SAFE_INTEGER) this.fail(`${what} is below -(2^53-1)`);
    return this.problem === undefined ? -1 - argument : 0;
  }

  /** A byte string as a view into the input; its length is within [min, max]. */
  bytes(what: string, min: number, max: number = min): Uint8Array {
    const length = this.#head(2, what);
    return this.#take(what, length, min, max);
  }

  /** A UTF-8 text string of `minBytes` to `maxBytes` bytes; ill-formed UTF-8 is refused. */
  text(what: string, maxBytes: number, minBytes = 0): string {
    const length = this.#head(3, what);
    const bytes = this.#take(what, length, minBytes, maxBytes);
    if (this.problem !== undefined) return "";
    try {
      return strictUtf8.decode(bytes);
    } catch {
      this.fail(`${what} is not UTF-8`);
      return "";
    }
  }

  /** The number of items of a definite array, within [min, max]. */
  array(what: string, min: number, max: number = min): number {
    return this.#counted(4, what, min, max);
  }

  /** The number of pairs of a definite map, within [min, max]. */
  map(what: string, min: number, max: number = min): number {
    return this.#counted(5, what, min, max);
  }

  tag(what: string, expected: number): void {
    const tag = this.#head(6, what);
    if (tag !== expected) this.fail(`${what} has tag ${tag}, not ${expected}`);
  }

  /** Takes a null if the next item is one. */
  takeNull(): boolean {
    if (this.problem !== undefined || this.#bytes[this.#offset] !== 0xf6) return false;
    this.#offset++;
    return true;
  }

  /** Whether the next item is a text string (major type 3). */
  get nextIsText(): boolean {
    return this.#peekMajor() === 3;
  }

  /** Whether the next item is a tag (major type 6). */
  get nextIsTag(): boolean {
    return this.#peekMajor() === 6;
  }

  /** Passes over an item of any kind and length form. */
  skip(what: string): void {
    if (this.problem !== undefined) return;
    const end = skipItem(this.#bytes, this.#offset);
    if (end < 0) this.fail(`${what} is not well-formed`);
    else this.#offset = end;
  }

  /** Refuses bytes behind the last item. */
  end(what: string): void {
    if (!this.atEnd) this.fail(`bytes behind the end of ${what}`);
  }

  #counted(major: number, what: string, min: number, max: number): number {
    const count = this.#head(major, what);
    if (count < min || count > max) {
      this.fail(`${what} has ${count} items, not ${min === max ? min : `${min} to ${max}`}`);
    }
    return this.problem === undefined ? count : 0;
  }

  #take(what: string, length: number, min: number, max: number): Uint8Array {
    if (length < min || length > max) {
      this.fail(`${what} has ${length} bytes, not ${min === max ? min : `${min} to ${max}`}`);
    }
    if (this.#offset + length > this.#bytes.length) this.fail(`${what} is cut short`);
    if (this.problem !== undefined) return EMPTY;
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return bytes;
  }

  #peekMajor(): number {
    return (this.#bytes[this.#offset] ?? 0xff) >> 5;
  }

  #head(major: number, what: string): number {
    if (this.problem !== undefined) return 0;
    const initial = this.#bytes[this.#offset];
    if (initial === undefined) {
      this.fail(`${what} is missing`);
      return 0;
    }
    if (initial >> 5 !== major) {
      this.fail(`${what} has CBOR major type ${initial >> 5}, not ${major}`);
      return 0;
    }
    const info = initial & 31;
    if (info < 24) {
      this.#offset++;
      return info;
    }
    const size = info <= 27 ? 1 << (info - 24) : 0;
    if (size === 0) {
      this.fail(`${what} has an indefinite or reserved length`);
      return 0;
    }
    if (this.#offset + 1 + size > this.#bytes.length) {
      this.fail(`${what} is cut short`);
      return 0;
    }
    let value = 0;
    for (let index = 1; index <= size; index++) value = value * 256 + this.#bytes[this.#offset + index]!;
    if (value > Number.MAX_SAFE_INTEGER) {
      this.fail(`${what} is above 2^53-1`);
      return 0;
    }
    if (value < 24 || (size > 1 && value < 2 ** (size * 4))) {
      this.fail(`${what} is not in its shortest form`);
      return 0;
    }
    this.#offset += 1 + size;
    return value;
  }
}

const EMPTY = new Uint8Array(0);
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The offset behind the well-formed CBOR item (RFC 8949 §5.3.1) that starts at `offset`, or -1. Any item of any length
 * form is fine; nesting beyond CBOR_DEPTH_MAX is not. Iterative and allocation-free apart from its small stack.
 */
export function skipItem(bytes: Uint8Array, offset: number): number {
  // For each open container: how many items are still missing, or -1 for indefinite, -2 for an indefinite map that
  // waits for a value, -3 - major for the chunks of an indefinite string.
  const open: number[] = [];
  let at = offset;
  for (;;) {
    const initial = bytes[at];
    if (initial === undefined) return -1;
    const major = initial >> 5;
    const info = initial & 31;
    const top = open.length === 0 ? undefined : open[open.length - 1]!;
    if (initial === 0xff) {
      if (top === undefined || top >= 0 || top === -2) return -1;
      open.pop();
      at++;
    } else {
      if (top !== undefined && top <= -5 && (major !== -3 - top || info === 31)) return -1;
      let argument = info;
      let size = 0;
      if (info >= 24 && info <= 27) {
        size = 1 << (info - 24);
        if (at + 1 + size > bytes.length) return -1;
        argument = 0;
        for (let index = 1; index <= size; index++) argument = argument * 256 + bytes[at + index]!;
      } else if (info > 27 && info < 31) {
        return -1;
      }
      if (info === 31 && (major < 2 || major > 5)) return -1;
      if (major === 7 && info === 24 && argument < 32) return -1;
      at += 1 + size;
      if (major === 2 || major === 3) {
        if (info === 31) {
          if (open.length >= CBOR_DEPTH_MAX) return -1;
          open.push(-3 - major);
          continue;
        }
        if (argument > bytes.length - at) return -1;
        at += argument;
      } else if (major === 4 || major === 5) {
        if (open.length >= CBOR_DEPTH_MAX) return -1;
        if (info === 31) {
          open.push(major === 4 ? -1 : -4);
          continue;
        }
        const items = major === 4 ? argument : argument * 2;
        if (items > 0) {
          open.push(items);
          continue;
        }
      } else if (major === 6) {
        if (open.length >= CBOR_DEPTH_MAX) return -1;
        open.push(1);
        continue;
      }
    }
    // One item is complete: count it in its container, and close every container that this completes.
    for (;;) {
      if (open.length === 0) return at;
      const last = open.length - 1;
      const missing = open[last]!;
      if (missing === 1) {
        open.pop();
        continue;
      }
      if (missing > 1) open[last] = missing - 1;
      else if (missing === -4) open[last] = -2;
      else if (missing === -2) open[last] = -4;
      break;
    }
  }
}
