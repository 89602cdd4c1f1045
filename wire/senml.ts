import { isUtf8 } from "node:buffer";
import { skipItem } from "./cbor-read.ts";
import { SENML_EXTENSION_LABELS_MAX } from "./limits.ts";

/**
 * Validation of SenML packs in CBOR (RFC 8428 §4, §6) on the bytes as received: one pass, no objects, no re-encoding.
 * docs/protocol.md §1.4 is normative.
 */

export interface SenmlRules {
  /** LwM2M Send: names may start with "/", and the text label `vlo` (object link) is a value. */
  readonly lwm2m: boolean;
  /** A SensML stream (RFC 8428 §4.8): an indefinite array may be left open behind its last record. */
  readonly sensml?: boolean;
}

/** Why a payload is no SenML pack. Doubles as a metric label. */
export type SenmlProblem =
  | "malformed"
  | "not-array"
  | "trailing-bytes"
  | "no-records"
  | "record-type"
  | "label-type"
  | "label-count"
  | "duplicate-label"
  | "must-understand"
  | "version"
  | "value-type"
  | "number"
  | "utf8"
  | "several-values"
  | "no-value"
  | "name-missing"
  | "name-characters"
  | "name-start";

const PROBLEM_TEXT: Readonly<Record<SenmlProblem, string>> = {
  malformed: "not well-formed CBOR",
  "not-array": "not a CBOR array",
  "trailing-bytes": "bytes behind the end of the array",
  "no-records": "no record in the array",
  "record-type": "a record is not a map",
  "label-type": "a label is neither an integer nor a definite text string",
  "label-count": `a record has more than ${SENML_EXTENSION_LABELS_MAX} labels that RFC 8428 does not define`,
  "duplicate-label": "a label stands twice in a record",
  "must-understand": "a label ends in _ and is not understood",
  version: "bver is no integer up to 10, or differs between records",
  "value-type": "a field has a value of the wrong type",
  number: "a number is not finite",
  utf8: "a text is not UTF-8",
  "several-values": "a record has more than one of v, vs, vb and vd",
  "no-value": "a record has neither value nor sum nor base field",
  "name-missing": "a record has no name",
  "name-characters": "a name has characters other than A-Z a-z 0-9 - : . / _",
  "name-start": "a name does not start with a letter or digit",
};

/** The problem in words, for the diagnostic payload of a 4.00. */
export function describeSenmlProblem(problem: SenmlProblem): string {
  return PROBLEM_TEXT[problem];
}

/** Labels of RFC 8428 §6, table 4, as bits: label + 6. */
const LABEL_OFFSET = 6;
const LABELS = 15;
const bit = (label: number): number => 1 << (label + LABEL_OFFSET);
const BASE_FIELDS = bit(-6) | bit(-5) | bit(-4) | bit(-3) | bit(-2) | bit(-1);
const VALUES = bit(2) | bit(3) | bit(4) | bit(8);
const SUM = bit(5);
/** The bit behind the table's: the LwM2M object link `vlo`. */
const VALUE_VLO = 1 << LABELS;
const VERSION_MAX = 10;

const KIND_NUMBER = 0;
const KIND_NAME = 1;
const KIND_TEXT = 2;
const KIND_BOOLEAN = 3;
const KIND_DATA = 4;
const KIND_VERSION = 5;
/** By label + 6: bs bv bu bt bn bver n u v vs vb s t ut vd. */
const KINDS = Uint8Array.of(
  KIND_NUMBER,
  KIND_NUMBER,
  KIND_TEXT,
  KIND_NUMBER,
  KIND_NAME,
  KIND_VERSION,
  KIND_NAME,
  KIND_TEXT,
  KIND_NUMBER,
  KIND_TEXT,
  KIND_BOOLEAN,
  KIND_NUMBER,
  KIND_NUMBER,
  KIND_NUMBER,
  KIND_DATA,
);

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

/** The scanner's working state, kept from call to call so that a check allocates nothing. */
const scan = {
  at: 0,
  /** Argument of the head just taken; -1 for an indefinite length. */
  argument: 0,
  /** First byte of the base name in force, or -1. */
  baseStart: -1,
  /** First byte of this record's name, or -1. */
  nameStart: -1,
  version: -1,
  extensions: 0,
};
/** Where the content of each extension label of this record lies, as start and end; integers as value and -1. */
const extensionFrom = new Float64Array(SENML_EXTENSION_LABELS_MAX);
const extensionTo = new Float64Array(SENML_EXTENSION_LABELS_MAX);

/** Undefined when `bytes` are one valid pack, else the first problem. Never throws. */
export function checkSenml(bytes: Uint8Array, rules: SenmlRules): SenmlProblem | undefined {
  scan.at = 0;
  scan.baseStart = -1;
  scan.version = -1;
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  if (head >> 5 !== 4) return "not-array";
  const indefinite = scan.argument < 0;
  const items = indefinite ? Infinity : scan.argument;
  let records = 0;
  while (records < items) {
    if (indefinite) {
      if (scan.at >= bytes.length && rules.sensml === true) break;
      if (bytes[scan.at] === BREAK) {
        scan.at++;
        break;
      }
    }
    const problem = checkRecord(bytes, rules.lwm2m);
    if (problem !== undefined) return problem;
    records++;
  }
  if (records === 0) return "no-records";
  return scan.at === bytes.length ? undefined : "trailing-bytes";
}

function checkRecord(bytes: Uint8Array, lwm2m: boolean): SenmlProblem | undefined {
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  if (head >> 5 !== 5) return "record-type";
  const indefinite = scan.argument < 0;
  const pairs = indefinite ? Infinity : scan.argument;
  let seen = 0;
  scan.extensions = 0;
  scan.nameStart = -1;
  for (let pair = 0; pair < pairs; pair++) {
    if (indefinite && bytes[scan.at] === BREAK) {
      scan.at++;
      break;
    }
    const labelHead = takeHead(bytes);
    if (labelHead < 0) return "malformed";
    const major = labelHead >> 5;
    const label = major === 0 ? scan.argument : -1 - scan.argument;
    if (major <= 1 && label >= -LABEL_OFFSET && label < LABELS - LABEL_OFFSET) {
      const labelBit = 1 << (label + LABEL_OFFSET);
      if ((seen & labelBit) !== 0) return "duplicate-label";
      seen |= labelBit;
      const problem = checkField(bytes, KINDS[label + LABEL_OFFSET]!, label);
      if (problem !== undefined) return problem;
      continue;
    }
    const problem = checkExtension(bytes, major, label, lwm2m);
    if (problem === VLO) seen |= VALUE_VLO;
    else if (problem !== undefined) return problem;
  }
  return checkContent(bytes, seen, lwm2m);
}

function checkContent(bytes: Uint8Array, seen: number, lwm2m: boolean): SenmlProblem | undefined {
  const values = seen & (VALUES | VALUE_VLO);
  if ((values & (values - 1)) !== 0) return "several-values";
  if (values === 0 && (seen & SUM) === 0) return (seen & BASE_FIELDS) === 0 ? "no-value" : undefined;
  const start = scan.baseStart >= 0 ? scan.baseStart : scan.nameStart;
  if (start < 0) return "name-missing";
  const first = bytes[start]!;
  return NAME_BYTES[first] === NAME_START || (lwm2m && first === SLASH) ? undefined : "name-start";
}

function checkField(bytes: Uint8Array, kind: number, label: number): SenmlProblem | undefined {
  if (kind === KIND_NUMBER) return checkNumber(bytes);
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  const major = head >> 5;
  if (kind === KIND_NAME || kind === KIND_TEXT) {
    if (major !== 3 || scan.argument < 0) return "value-type";
    const start = scan.at;
    const end = start + scan.argument;
    if (end > bytes.length) return "malformed";
    scan.at = end;
    if (kind === KIND_TEXT) return checkUtf8(bytes, start, end);
    if (label === 0) scan.nameStart = end > start ? start : -1;
    else scan.baseStart = end > start ? start : -1;
    for (let at = start; at < end; at++) if (NAME_BYTES[bytes[at]!] === 0) return "name-characters";
    return undefined;
  }
  if (kind === KIND_BOOLEAN) return head === 0xf4 || head === 0xf5 ? undefined : "value-type";
  if (kind === KIND_DATA) {
    if (major !== 2 || scan.argument < 0) return "value-type";
    if (scan.argument > bytes.length - scan.at) return "malformed";
    scan.at += scan.argument;
    return undefined;
  }
  if (major !== 0 || scan.argument > VERSION_MAX) return "version";
  if (scan.version >= 0 && scan.version !== scan.argument) return "version";
  scan.version = scan.argument;
  return undefined;
}

/** An integer, a finite float, or a decimal fraction (tag 4, RFC 8949 §3.4.4) of integers. */
function checkNumber(bytes: Uint8Array): SenmlProblem | undefined {
  const start = scan.at;
  const head = takeHead(bytes);
  if (head < 0) return "malformed";
  const major = head >> 5;
  if (major <= 1) return undefined;
  if (head === 0xf9) return (bytes[start + 1]! & 0x7c) === 0x7c ? "number" : undefined;
  if (head === 0xfa) return (bytes[start + 1]! & 0x7f) === 0x7f && bytes[start + 2]! >= 0x80 ? "number" : undefined;
  if (head === 0xfb) return (bytes[start + 1]! & 0x7f) === 0x7f && bytes[start + 2]! >= 0xf0 ? "number" : undefined;
  const tag: number = scan.argument;
  if (major !== 6 || tag !== 4) return "value-type";
  const arrayHead = takeHead(bytes);
  if (arrayHead < 0) return "malformed";
  if (arrayHead >> 5 !== 4 || scan.argument !== 2) return "value-type";
  for (let item = 0; item < 2; item++) {
    const itemHead = takeHead(bytes);
    if (itemHead < 0) return "malformed";
    if (itemHead >> 5 > 1) return "value-type";
  }
  return undefined;
}

const VLO = "vlo";

/** A label that the table does not have. Returns VLO for the LwM2M value. */
function checkExtension(
  bytes: Uint8Array,
  major: number,
  label: number,
  lwm2m: boolean,
): SenmlProblem | typeof VLO | undefined {
  if (major > 1 && (major !== 3 || scan.argument < 0)) return "label-type";
  if (scan.extensions === SENML_EXTENSION_LABELS_MAX) return "label-count";
  let from = label;
  let to = -1;
  let isLink = false;
  if (major === 3) {
    from = scan.at;
    to = from + scan.argument;
    if (to > bytes.length) return "malformed";
    scan.at = to;
    const problem = checkUtf8(bytes, from, to);
    if (problem !== undefined) return problem;
    if (to > from && bytes[to - 1] === UNDERSCORE) return "must-understand";
    isLink = lwm2m && to - from === 3 && bytes[from] === 0x76 && bytes[from + 1] === 0x6c && bytes[from + 2] === 0x6f;
  } else if (!Number.isSafeInteger(label)) {
    return "label-type";
  }
  for (let index = 0; index < scan.extensions; index++) {
    if (sameLabel(bytes, from, to, extensionFrom[index]!, extensionTo[index]!)) return "duplicate-label";
  }
  extensionFrom[scan.extensions] = from;
  extensionTo[scan.extensions++] = to;
  if (isLink) return checkField(bytes, KIND_TEXT, label) ?? VLO;
  const end = skipItem(bytes, scan.at);
  if (end < 0) return "malformed";
  scan.at = end;
  return undefined;
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
  const at = scan.at;
  const initial = bytes[at];
  if (initial === undefined) return -1;
  const info = initial & 31;
  if (info < 24) {
    scan.argument = info;
    scan.at = at + 1;
    return initial;
  }
  if (info > 27) {
    const major = initial >> 5;
    if (info !== 31 || major < 2 || major > 5) return -1;
    scan.argument = -1;
    scan.at = at + 1;
    return initial;
  }
  const end = at + 1 + (1 << (info - 24));
  if (end > bytes.length) return -1;
  let argument = 0;
  for (let index = at + 1; index < end; index++) argument = argument * 256 + bytes[index]!;
  // RFC 8949 §3.3: simple values below 32 have no two-byte form.
  if (initial === 0xf8 && argument < 32) return -1;
  scan.argument = argument;
  scan.at = end;
  return initial;
}
