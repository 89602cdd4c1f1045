import { SENML_BIGNUM_BYTES_MAX } from "./limits.ts";
import { cursor } from "./senml-cursor.ts";
import * as fields from "./senml-fields.ts";
import type { SenmlProblem } from "./senml.ts";

/** The value of one field: whether it is what its label asks for. The walk stands on it, and behind it afterwards. */

// In local names, which a hot path reads faster (senml-cursor.ts).
const { KIND_BOOLEAN, KIND_DATA, KIND_NAME, KIND_NUMBER, KIND_TEXT, SLOT_NAME } = fields;
const { isKnownVersion } = fields;
const { checkUtf8, state, takeHead } = cursor;

const NAME_OTHER = 1;
const NAME_START = 2;
/** By byte: whether it may stand in a name, and whether a name may start with it (RFC 8428 §4.5.1). */
const NAME_BYTES = (() => {
  const table = new Uint8Array(256);
  for (const character of "-:./_") table[character.charCodeAt(0)] = NAME_OTHER;
  for (const [first, last] of ["AZ", "az", "09"] as const) {
    for (let byte = first!.charCodeAt(0); byte <= last!.charCodeAt(0); byte++) table[byte] = NAME_START;
  }
  return table;
})();

const BREAK = 0xff;

/** Heads below are integers. */
const FIRST_STRING = 0x40;
const HALF = 0xf9;
const DOUBLE = 0xfb;
/** Decimal digits that surely fit a double, and those of a bignum's byte and of a 64-bit integer, rounded up. */
const DIGITS_SAFE = 300;
const DIGITS_PER_BYTE = 2.41;
const DIGITS_UINT64 = 20;

/** Whether a name may start with this byte. */
export function startsName(byte: number): boolean {
  return NAME_BYTES[byte] === NAME_START;
}

/** Takes the value of the field in `slot`, whose kind is `kind`. */
export function checkField(bytes: Uint8Array, kind: number, slot: number): SenmlProblem | undefined {
  if (kind === KIND_NUMBER) return checkNumber(bytes);
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  const major = head >> 5;
  if (kind === KIND_NAME || kind === KIND_TEXT) {
    if (major !== 3 || state.argument < 0) return "value-type";
    const start = state.at;
    const end = start + state.argument;
    if (end > bytes.length) return "malformed";
    state.at = end;
    if (kind === KIND_TEXT) return checkUtf8(bytes, start, end);
    if (slot === SLOT_NAME) state.nameStart = end > start ? start : -1;
    else state.baseStart = end > start ? start : -1;
    for (let at = start; at < end; at++) if (NAME_BYTES[bytes[at]!] === 0) return "name-characters";
    return undefined;
  }
  if (kind === KIND_BOOLEAN) return head === 0xf4 || head === 0xf5 ? undefined : "value-type";
  if (kind === KIND_DATA) {
    if (major !== 2 || state.argument < 0) return "value-type";
    if (state.argument > bytes.length - state.at) return "malformed";
    state.at += state.argument;
    return undefined;
  }
  return checkVersion(major);
}

function checkVersion(major: number): SenmlProblem | undefined {
  if (major !== 0 || !isKnownVersion(state.argument)) return "version";
  if (state.version >= 0 && state.version !== state.argument) return "version-differs";
  state.version = state.argument;
  return undefined;
}

/** An integer, a finite float, or a decimal fraction. */
function checkNumber(bytes: Uint8Array): SenmlProblem | undefined {
  const start = state.at;
  const initial = bytes[start]!;
  // Integers and floats are most of what sensors send, and nobody needs their bits as an argument.
  if (initial < FIRST_STRING) return takeInteger(bytes, start, initial & 31);
  if (initial >= HALF && initial <= DOUBLE) {
    const end = start + 1 + (1 << (initial - HALF + 1));
    if (end > bytes.length) return "malformed";
    state.at = end;
    const first = bytes[start + 1]! & 0x7f;
    if (initial === HALF) return first >= 0x7c ? "number" : undefined;
    if (first !== 0x7f) return undefined;
    const second = bytes[start + 2]!;
    if (initial !== DOUBLE) return second >= 0x80 ? "number" : undefined;
    return second >= 0xe0 ? checkWide(second) : undefined;
  }
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  return head >> 5 === 6 && state.argument === 4 ? checkDecimal(bytes) : "value-type";
}

function takeInteger(bytes: Uint8Array, start: number, info: number): SenmlProblem | undefined {
  const end = start + 1 + (info < 24 ? 0 : 1 << (info - 24));
  if (info > 27 || end > bytes.length) return "malformed";
  state.at = end;
  return undefined;
}

/** A double from 2^1023 on: two of them may overflow. */
function checkWide(second: number): SenmlProblem | undefined {
  state.wide = true;
  return second >= 0xf0 ? "number" : undefined;
}

/** Behind tag 4: an array of an integer exponent and a mantissa that is an integer or a bignum (RFC 8949 §3.4.4). */
function checkDecimal(bytes: Uint8Array): SenmlProblem | undefined {
  const arrayHead = takeHead(bytes);
  if (arrayHead < 0) return "malformed";
  const indefinite = state.argument < 0;
  if (arrayHead >> 5 !== 4 || (!indefinite && state.argument !== 2)) return "value-type";
  const exponentHead = takeHead(bytes);
  if (exponentHead < 0) return "malformed";
  if (exponentHead >> 5 > 1) return "value-type";
  const exponent = exponentHead >> 5 === 0 ? state.argument : 0;
  const mantissaHead = takeHead(bytes);
  if (mantissaHead < 0) return "malformed";
  let digits = DIGITS_UINT64;
  if (mantissaHead >> 5 > 1) {
    if (mantissaHead >> 5 !== 6 || (state.argument !== 2 && state.argument !== 3)) return "value-type";
    const stringHead = takeHead(bytes);
    if (stringHead < 0) return "malformed";
    const length: number = state.argument;
    if (stringHead >> 5 !== 2 || length < 0) return "value-type";
    if (length > SENML_BIGNUM_BYTES_MAX) return "mantissa";
    if (length > bytes.length - state.at) return "malformed";
    state.at += length;
    digits = length * DIGITS_PER_BYTE;
  }
  if (indefinite && bytes[state.at++] !== BREAK) return state.at > bytes.length ? "malformed" : "value-type";
  if (exponent + digits >= DIGITS_SAFE) state.wide = true;
  return undefined;
}
