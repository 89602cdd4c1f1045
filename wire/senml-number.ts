/**
 * Numbers of SenML as doubles, read at an offset where the scanner (senml-scan.ts) found one: an integer, a float, or a
 * decimal fraction (tag 4, RFC 8949 §3.4.4), whose mantissa may be a bignum.
 */

/** Where the integer of a decimal fraction that is being read goes on. */
let cursor = 0;

/** The nearest double; infinite when the number lies outside of theirs. */
export function numberAt(bytes: Uint8Array, at: number): number {
  const initial = bytes[at]!;
  // Most sensors send small integers and doubles.
  if (initial < 0x18) return initial;
  if (initial >= 0xf9) return floatAt(bytes, at + 1, 1 << (initial - 0xf8));
  if (initial >> 5 !== 6) {
    cursor = at;
    return Number(takeInteger(bytes));
  }
  const { mantissa, exponent } = decimalAt(bytes, at);
  // Through text, so that 2315 * 10^-2 is the double nearest to 23.15.
  return Number(`${mantissa}e${exponent}`);
}

const FLOAT_BYTES = new Uint8Array(8);
const FLOAT = new DataView(FLOAT_BYTES.buffer);

/** A half, single or double, which a view of all of `bytes` would take longer to make than to read. */
function floatAt(bytes: Uint8Array, at: number, length: number): number {
  for (let index = 0; index < length; index++) FLOAT_BYTES[index] = bytes[at + index]!;
  if (length === 8) return FLOAT.getFloat64(0);
  return length === 4 ? FLOAT.getFloat32(0) : FLOAT.getFloat16(0);
}

/** A number that is no float: mantissa * 10^exponent. */
export interface Decimal {
  readonly mantissa: bigint;
  readonly exponent: bigint;
}

/** Reads an integer or a decimal fraction without loss. */
export function decimalAt(bytes: Uint8Array, at: number): Decimal {
  cursor = at;
  if (bytes[at]! >> 5 !== 6) return { mantissa: takeInteger(bytes), exponent: 0n };
  takeArgument(bytes);
  takeArgument(bytes);
  const exponent = takeInteger(bytes);
  return { mantissa: takeInteger(bytes), exponent };
}

/** An integer or a bignum (tag 2 or 3 around a byte string). */
function takeInteger(bytes: Uint8Array): bigint {
  const major = bytes[cursor]! >> 5;
  const argument = takeArgument(bytes);
  if (major === 0) return argument;
  if (major === 1) return -1n - argument;
  const length = Number(takeArgument(bytes));
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset + cursor, length).toString("hex");
  const magnitude = length === 0 ? 0n : BigInt(`0x${digits}`);
  return argument === 2n ? magnitude : -1n - magnitude;
}

/** Exact, where a sum of doubles would be rounded once for each byte. */
function takeArgument(bytes: Uint8Array): bigint {
  const info = bytes[cursor++]! & 31;
  if (info < 24 || info === 31) return BigInt(info);
  let argument = 0n;
  for (const end = cursor + (1 << (info - 24)); cursor < end; cursor++) {
    argument = (argument << 8n) | BigInt(bytes[cursor]!);
  }
  return argument;
}
