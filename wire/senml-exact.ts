import { SLOT_BASE_VALUE, SLOT_VALUE } from "./senml-fields.ts";
import { type Decimal, decimalAt, numberAt } from "./senml-number.ts";

/**
 * Numbers that a double may not hold: integers beyond 2^53 and decimal fractions (RFC 8949 §3.4.4), alone or added to a
 * base value.
 */

/** First bytes of the items of which it has to be looked at closely: tags, and integers of eight bytes. */
const UINT64 = 0x1b;
const NEGATIVE64 = 0x3b;
const MAJOR_TAG = 6;
const HALF = 0xf9;

/** Zeros that are written out or added; beyond them an exponent says it. */
const ZEROS_MAX = 40n;
const SPREAD_MAX = 400n;

/**
 * The decimal text of a record's value with its base value, when `value`, the double that stands for it, is written
 * differently; else undefined. A float counts as its shortest text. Two numbers too far apart to be added are shown as a sum.
 */
export function exactText(
  bytes: Uint8Array,
  places: Readonly<Int32Array>,
  seen: number,
  value: number,
): string | undefined {
  const ownAt = (seen & (1 << SLOT_VALUE)) === 0 ? -1 : places[SLOT_VALUE]!;
  const baseAt = places[SLOT_BASE_VALUE]!;
  if (!isClose(bytes, ownAt) && !isClose(bytes, baseAt)) return undefined;
  const parts = [baseAt, ownAt].filter((at) => at >= 0).map((at) => normal(decimalOf(bytes, at)));
  const [first, second] = parts as [Decimal, Decimal?];
  const sum = second === undefined ? first : add(first, second);
  if (sum === undefined) return `${textOf(first)} + ${textOf(second!)}`;
  if (Number.isFinite(value)) {
    const held = parse(value);
    if (held.mantissa === sum.mantissa && held.exponent === sum.exponent) return undefined;
  }
  return textOf(sum);
}

function isClose(bytes: Uint8Array, at: number): boolean {
  if (at < 0) return false;
  const initial = bytes[at]!;
  return initial >> 5 === MAJOR_TAG || initial === UINT64 || initial === NEGATIVE64;
}

function decimalOf(bytes: Uint8Array, at: number): Decimal {
  return bytes[at]! >= HALF ? parse(numberAt(bytes, at)) : decimalAt(bytes, at);
}

function add(left: Decimal, right: Decimal): Decimal | undefined {
  const [low, high] = left.exponent <= right.exponent ? [left, right] : [right, left];
  if (high.mantissa === 0n) return low;
  if (low.mantissa === 0n) return high;
  if (high.exponent - low.exponent > SPREAD_MAX) return undefined;
  const scaled = high.mantissa * 10n ** (high.exponent - low.exponent);
  return normal({ mantissa: low.mantissa + scaled, exponent: low.exponent });
}

/** Without zeros at the end of the mantissa; zero is 0 * 10^0. */
function normal({ mantissa, exponent }: Decimal): Decimal {
  if (mantissa === 0n) return { mantissa, exponent: 0n };
  const digits = mantissa.toString();
  const kept = digits.replace(/0+$/u, "");
  return { mantissa: BigInt(kept), exponent: exponent + BigInt(digits.length - kept.length) };
}

/** A finite double as the decimal that its shortest text says. */
function parse(value: number): Decimal {
  const [digits = "0", power = "0"] = String(value).split("e");
  const [whole = "0", fraction = ""] = digits.split(".");
  return normal({ mantissa: BigInt(whole + fraction), exponent: BigInt(power) - BigInt(fraction.length) });
}

function textOf({ mantissa, exponent }: Decimal): string {
  const sign = mantissa < 0n ? "-" : "";
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString();
  if (exponent >= 0n && exponent <= ZEROS_MAX) return `${sign}${digits}${"0".repeat(Number(exponent))}`;
  const point = BigInt(digits.length) + exponent;
  if (exponent > 0n || point < -ZEROS_MAX) return `${sign}${digits}e${exponent}`;
  const padded = digits.padStart(digits.length + Number(point <= 0n ? 1n - point : 0n), "0");
  const cut = padded.length + Number(exponent);
  return `${sign}${padded.slice(0, cut)}.${padded.slice(cut)}`;
}
