import { isUtf8 } from "node:buffer";
import { skipItem } from "./cbor-read.ts";
import { SENML_BIGNUM_BYTES_MAX, SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import * as fields from "./senml-fields.ts";
import { forgetBaseNumbers, slotBeyondDoubles } from "./senml-sums.ts";
import type { SenmlProblem, SenmlRules } from "./senml.ts";

/**
 * The one walk over a SenML pack, for the gateway's check and for whoever reads: what it refuses nobody resolves, and
 * what it lets through does resolve. It leaves behind where each field of a record lies and makes no objects.
 */

// In local names: an imported one is read from its module each time, which a hot path feels.
const {
  BASE_FIELDS,
  KIND_BOOLEAN,
  KIND_DATA,
  KIND_NAME,
  KIND_NUMBER,
  KIND_TEXT,
  KINDS,
  LABEL_OFFSET,
  LABELS,
  LINK,
  SLOT_LINK,
  SLOT_NAME,
  SLOTS,
  SUM,
  VALUES,
  VERSION_DEFAULT,
} = fields;
const { isKnownVersion, slotOfName } = fields;
const EXTENSIONS_MAX = SENML_EXTENSION_LABELS_MAX;

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
const SLASH = 0x2f;
const UNDERSCORE = 0x5f;
const BREAK = 0xff;
/** Heads below are integers. */
const FIRST_STRING = 0x40;
const HALF = 0xf9;
const DOUBLE = 0xfb;
/** Decimal digits that surely fit a double, and those of a bignum's byte and of a 64-bit integer, rounded up. */
const DIGITS_SAFE = 300;
const DIGITS_PER_BYTE = 2.41;
const DIGITS_UINT64 = 20;

/** The scanner's state and findings, kept from call to call so that a check allocates nothing. */
const state = {
  at: 0,
  /** Argument of the head just taken; -1 for an indefinite length. */
  argument: 0,
  /** First byte of the base name in force, or -1. */
  baseStart: -1,
  /** First byte of this record's name, or -1. */
  nameStart: -1,
  /** In force, or -1 in the first record before it is known. */
  version: -1,
  extensions: 0,
  /** Some number of the pack is so large that a sum with it may leave the doubles. */
  wide: false,
  /** Number of the record in hand, from 0, and where it starts. */
  record: 0,
  recordAt: 0,
  /** Fields of the record, as bits, and whether all of it is read. */
  seen: 0,
  whole: false,
  /** Slot of a field whose name stands as a text label in place of its integer, or -1. */
  misspelt: -1,
  /** Of the last problem: the field's slot, or -1; the label's text or the item that did not fit. */
  faultSlot: -1,
  faultFrom: 0,
  faultTo: 0,
};
/** By slot: where the value of a field starts. Of base fields the newest in the pack, or -1; of others as `seen` says. */
const places = new Int32Array(SLOTS);
/** Where the content of each extension label of this record lies, as start and end; integers as value and -1. */
const extensionFrom = new Float64Array(SENML_EXTENSION_LABELS_MAX);
const extensionTo = new Float64Array(SENML_EXTENSION_LABELS_MAX);

/**
 * Undefined when `bytes` are one valid pack, else the first problem. It leaves no findings behind but for a pack whose
 * numbers are so large that they have to be computed.
 */
export function passesScan(bytes: Uint8Array, rules: SenmlRules): SenmlProblem | undefined {
  const problem = walkPack(bytes, rules, false, undefined);
  return state.wide ? walkPack(bytes, rules, true, undefined) : problem;
}

/**
 * As passesScan, with the findings in `scan` and `fieldAt`. With `visit`, which is told of every record that has an end,
 * with its problem if it has one, only what makes the rest of the pack unreadable ends the walk.
 */
export function scanPack(
  bytes: Uint8Array,
  rules: SenmlRules,
  visit?: (problem: SenmlProblem | undefined) => void,
): SenmlProblem | undefined {
  return walkPack(bytes, rules, true, visit);
}

/** `keeps`: whether the findings are kept, which the gateway's hot path does without. */
function walkPack(
  bytes: Uint8Array,
  rules: SenmlRules,
  keeps: boolean,
  visit: ((problem: SenmlProblem | undefined) => void) | undefined,
): SenmlProblem | undefined {
  state.at = 0;
  state.baseStart = -1;
  state.version = -1;
  state.wide = false;
  state.misspelt = -1;
  if (keeps) forgetFindings();
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  if (head >> 5 !== 4) return "not-array";
  const indefinite = state.argument < 0;
  const items = indefinite ? Infinity : state.argument;
  const { lwm2m } = rules;
  let records = 0;
  for (; records < items; records++) {
    if (indefinite) {
      if (state.at >= bytes.length && rules.sensml === true) break;
      if (bytes[state.at] === BREAK) {
        state.at++;
        break;
      }
    }
    if (keeps) beginRecord(records);
    const problem = checkRecord(bytes, lwm2m, keeps);
    if (visit !== undefined) {
      if (state.whole) visit(problem);
      if (problem !== undefined && !goesOn()) return problem;
    } else if (problem !== undefined) {
      return problem;
    }
  }
  if (records === 0) return "no-records";
  return state.at === bytes.length ? undefined : "trailing-bytes";
}

function forgetFindings(): void {
  state.record = 0;
  places.fill(-1);
  forgetBaseNumbers();
}

function beginRecord(record: number): void {
  state.record = record;
  state.recordAt = state.at;
  state.misspelt = -1;
  state.faultSlot = -1;
  state.whole = false;
}

/**
 * Whether a reader may go on behind a record with a problem: its end is known, and no base field in it was passed over,
 * which would give every later record a wrong name, time, value or unit.
 */
function goesOn(): boolean {
  return state.whole && (state.misspelt < 0 || ((1 << state.misspelt) & BASE_FIELDS) === 0);
}

function checkRecord(bytes: Uint8Array, lwm2m: SenmlRules["lwm2m"], keeps: boolean): SenmlProblem | undefined {
  state.extensions = 0;
  state.nameStart = -1;
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  if (head >> 5 !== 5) return "record-type";
  const indefinite = state.argument < 0;
  const pairs = indefinite ? Infinity : state.argument;
  let seen = 0;
  for (let pair = 0; pair < pairs; pair++) {
    if (indefinite && bytes[state.at] === BREAK) {
      state.at++;
      break;
    }
    const labelAt = state.at;
    const labelHead = takeHead(bytes);
    if (labelHead < 0) return "malformed";
    const major = labelHead >> 5;
    const label = major === 0 ? state.argument : -1 - state.argument;
    if (major <= 1 && label >= -LABEL_OFFSET && label < LABELS - LABEL_OFFSET) {
      const slot = label + LABEL_OFFSET;
      const labelBit = 1 << slot;
      if ((seen & labelBit) !== 0) return fieldFault("duplicate-label", slot);
      seen |= labelBit;
      if (keeps) places[slot] = state.at;
      const problem = checkField(bytes, KINDS[slot]!, slot);
      if (problem !== undefined) return fieldFault(problem, slot);
      continue;
    }
    const taken = takeExtension(bytes, major, label, labelAt, seen, lwm2m);
    if (typeof taken !== "number") return taken;
    seen |= taken;
  }
  if (keeps) {
    state.whole = true;
    state.seen = seen;
  }
  return checkContent(bytes, seen, lwm2m, keeps);
}

/** Judges a record whose fields are all read. */
function checkContent(
  bytes: Uint8Array,
  seen: number,
  lwm2m: SenmlRules["lwm2m"],
  keeps: boolean,
): SenmlProblem | undefined {
  // All records of a pack have one version; none means the default, also when a later record names another.
  if (state.version < 0) state.version = VERSION_DEFAULT;
  if (state.misspelt >= 0) return fieldFault("text-label", state.misspelt);
  if (keeps) {
    const slot = slotBeyondDoubles(bytes, places, seen);
    if (slot >= 0) return fieldFault("number", slot);
  }
  let values = seen & VALUES;
  // Where the resource is not known, a link beside another value was an extension that means nothing.
  if (lwm2m === "unknown" && values !== LINK) values &= ~LINK;
  if ((values & (values - 1)) !== 0) return "several-values";
  if (values === 0 && (seen & SUM) === 0) return (seen & BASE_FIELDS) === 0 ? "no-value" : undefined;
  const start = state.baseStart >= 0 ? state.baseStart : state.nameStart;
  if (start < 0) return "name-missing";
  const first = bytes[start]!;
  return NAME_BYTES[first] === NAME_START || (lwm2m !== false && first === SLASH) ? undefined : "name-start";
}

function fieldFault(problem: SenmlProblem, slot: number): SenmlProblem {
  state.faultSlot = slot;
  return problem;
}

function labelFault(problem: SenmlProblem, from: number, to: number): SenmlProblem {
  state.faultFrom = from;
  state.faultTo = to;
  return problem;
}

function checkField(bytes: Uint8Array, kind: number, slot: number): SenmlProblem | undefined {
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

/** Takes a label that the table does not have, with its value: the field's bit, 0 for what means nothing here, or a problem. */
function takeExtension(
  bytes: Uint8Array,
  major: number,
  label: number,
  labelAt: number,
  seen: number,
  lwm2m: SenmlRules["lwm2m"],
): SenmlProblem | number {
  if (major > 1 && (major !== 3 || state.argument < 0)) return labelFault("label-type", labelAt, labelAt);
  let from = label;
  let to = -1;
  if (major === 3) {
    from = state.at;
    to = from + state.argument;
    if (to > bytes.length) return "malformed";
    state.at = to;
    const problem = checkUtf8(bytes, from, to);
    if (problem !== undefined) return labelFault(problem, from, to);
    if (to > from && bytes[to - 1] === UNDERSCORE) return labelFault("must-understand", from, to);
    const slot = slotOfName(bytes, from, to);
    if (slot > SLOT_LINK || (slot === SLOT_LINK && isLink(bytes, lwm2m))) return takeNamed(bytes, slot, seen);
    if (slot >= 0 && slot < LABELS) noteMisspelt(slot);
  } else if (!Number.isSafeInteger(label)) {
    return labelFault("label-type", labelAt, labelAt);
  }
  if (state.extensions === EXTENSIONS_MAX) return "label-count";
  for (let index = 0; index < state.extensions; index++) {
    if (sameLabel(bytes, from, to, extensionFrom[index]!, extensionTo[index]!)) {
      return labelFault("duplicate-label", from, to);
    }
  }
  extensionFrom[state.extensions] = from;
  extensionTo[state.extensions++] = to;
  const end = skipItem(bytes, state.at);
  if (end < 0) return "malformed";
  state.at = end;
  return 0;
}

/** Where the resource is not known, an object link is told by its type. */
function isLink(bytes: Uint8Array, lwm2m: SenmlRules["lwm2m"]): boolean {
  return lwm2m === true || (lwm2m === "unknown" && bytes[state.at]! >> 5 === 3);
}

/** A field whose label is text in CBOR, too. */
function takeNamed(bytes: Uint8Array, slot: number, seen: number): SenmlProblem | number {
  if ((seen & (1 << slot)) !== 0) return fieldFault("duplicate-label", slot);
  places[slot] = state.at;
  const problem = checkField(bytes, KINDS[slot]!, slot);
  return problem === undefined ? 1 << slot : fieldFault(problem, slot);
}

/** Keeps the first, but a base field before others: it matters to the records that follow. */
function noteMisspelt(slot: number): void {
  if (state.misspelt < 0 || ((1 << slot) & BASE_FIELDS) !== 0) state.misspelt = slot;
}

function sameLabel(bytes: Uint8Array, from: number, to: number, otherFrom: number, otherTo: number): boolean {
  if (to < 0 || otherTo < 0) return to === otherTo && from === otherFrom;
  if (to - from !== otherTo - otherFrom) return false;
  for (let index = 0; index < to - from; index++) if (bytes[from + index] !== bytes[otherFrom + index]) return false;
  return true;
}

function checkUtf8(bytes: Uint8Array, start: number, end: number): SenmlProblem | undefined {
  for (let at = start; at < end; at++) {
    if (bytes[at]! >= 0x80) return isUtf8(bytes.subarray(at, end)) ? undefined : "utf8";
  }
  return undefined;
}

/** Takes an item's head; returns its initial byte, or -1 when it is cut short or reserved. */
function takeHead(bytes: Uint8Array): number {
  const at = state.at;
  const initial = bytes[at];
  if (initial === undefined) return -1;
  const info = initial & 31;
  if (info < 24) {
    state.argument = info;
    state.at = at + 1;
    return initial;
  }
  if (info > 27) {
    const major = initial >> 5;
    if (info !== 31 || major < 2 || major > 5) return -1;
    state.argument = -1;
    state.at = at + 1;
    return initial;
  }
  const end = at + 1 + (1 << (info - 24));
  if (end > bytes.length) return -1;
  let argument = 0;
  for (let index = at + 1; index < end; index++) argument = argument * 256 + bytes[index]!;
  // RFC 8949 §3.3: simple values below 32 have no two-byte form.
  if (initial === 0xf8 && argument < 32) return -1;
  state.argument = argument;
  state.at = end;
  return initial;
}

export const scan: Readonly<typeof state> = state;
export const fieldAt: Readonly<Int32Array> = places;
