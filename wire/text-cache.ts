/**
 * Short texts that come again and again, such as names and units, without decoding each anew: who reads a fleet's frames
 * spends most of its time on them otherwise. Only ASCII is kept; each place holds the newest text that fell on it.
 */
const SLOTS = 4096;
const BYTES_MAX = 96;
const HASH_START = 0x811c9dc5 | 0;
const HASH_STEP = 0x01000193;

/** The text of `bytes` in [start, end), and behind it that of [start2, end2). */
export class TextCache {
  readonly #texts: (string | undefined)[] = Array.from({ length: SLOTS });

  text(bytes: Uint8Array, start: number, end: number, start2 = 0, end2 = 0): string {
    const length = end - start + (end2 - start2);
    if (length > BYTES_MAX) return decoded(bytes, start, end) + decoded(bytes, start2, end2);
    let hash = HASH_START;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, HASH_STEP);
    for (let at = start2; at < end2; at++) hash = Math.imul(hash ^ bytes[at]!, HASH_STEP);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#texts[slot];
    if (known !== undefined && known.length === length) {
      let index = 0;
      for (let at = start; at < end && known.charCodeAt(index) === bytes[at]; at++) index++;
      if (index === end - start) {
        for (let at = start2; at < end2 && known.charCodeAt(index) === bytes[at]; at++) index++;
        if (index === length) return known;
      }
    }
    const text = decoded(bytes, start, end) + decoded(bytes, start2, end2);
    // A text of other characters has fewer than bytes; a code below 128 stands for one byte.
    if (text.length === length) this.#texts[slot] = text;
    return text;
  }
}

function decoded(bytes: Uint8Array, start: number, end: number): string {
  if (start === end) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}
