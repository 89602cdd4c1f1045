import * as fc from "fast-check";

/** Byte strings up to `maxLength` bytes. */
export function byteStrings(minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength, maxLength });
}

export { fc };
