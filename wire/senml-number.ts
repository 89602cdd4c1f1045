/**
 * Numbers of SenML as doubles, read at an offset where the scanner (senml-scan.ts) found one: an integer, a float, or a
 * decimal fraction (tag 4, RFC 8949 §3.4.4), whose mantissa may be a bignum.
 */

/** Where the integer of a decimal fraction that is being read goes on. */
let cursor = 0;

/** The nearest double; infinite when the number lies outside of theirs. */
export function numberAt(bytes: Uint8Array, at: number): number {
  const initial = bytes[at]!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (initial === 0xf9) return view.getFloat16(at + 1);
  if (initial === 0xfa) return view.getFloat32(at + 1);
  if (initial === 0xfb) return view.getFloat64(at + 1);
  cursor = at;
  if (initial >> 5 !== 6) return Number(takeInteger(bytes));
  takeArgument(bytes);
  takeArgument(bytes);
  const exponent = takeInteger(bytes);
  // Through text, so that 2315 * 10^-2 is the double nearest to 23.15.
  return Number(`${takeInteger(bytes)}e${exponent}`);
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
