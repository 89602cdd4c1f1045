import { SENML_BIGNUM_BYTES_MAX, SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import {
  FIELD_NAMES,
  KIND_BOOLEAN,
  KIND_DATA,
  KIND_NUMBER,
  KINDS,
  labelOfSlot,
  LABELS,
  VALUES,
} from "./senml-fields.ts";
import { fieldAt, passesScan, scan, scanPack } from "./senml-scan.ts";

/**
 * Validation of SenML packs in CBOR (RFC 8428 §4, §6) on the bytes as received: one pass, no objects, no re-encoding.
 * docs/protocol.md §1.4 is normative.
 */

export interface SenmlRules {
  /**
   * LwM2M Send: names may start with "/", and the text label `vlo` (object link) is a value. "unknown" is for a reader
   * that does not know the resource: it takes what passes on either.
   */
  readonly lwm2m: boolean | "unknown";
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
  | "text-label"
  | "label-count"
  | "duplicate-label"
  | "must-understand"
  | "version"
  | "version-differs"
  | "value-type"
  | "mantissa"
  | "number"
  | "utf8"
  | "several-values"
  | "no-value"
  | "name-missing"
  | "name-characters"
  | "name-start";

/** Undefined when `bytes` are one valid pack, else the first problem. Never throws. */
export function checkSenml(bytes: Uint8Array, rules: SenmlRules): SenmlProblem | undefined {
  return passesScan(bytes, rules);
}

/**
 * The first problem in words, for a diagnostic payload and for a log: the record (counted from 1), the field with its
 * integer label, and what stands there. ASCII, at most 100 bytes. Undefined when `bytes` are valid.
 */
export function explainSenml(bytes: Uint8Array, rules: SenmlRules): string | undefined {
  const problem = scanPack(bytes, rules);
  return problem === undefined ? undefined : explainScan(bytes, problem);
}

/** As explainSenml, for the problem that the scanner has just found. */
export function explainScan(bytes: Uint8Array, problem: SenmlProblem): string {
  switch (problem) {
    case "not-array":
      return `${itemName(bytes, 0)} instead of an array of records`;
    case "trailing-bytes":
      return "bytes behind the end of the array";
    case "no-records":
      return "no record in the array";
    case "malformed":
      return scan.at === 0 ? "not well-formed CBOR" : `record ${scan.record + 1} is cut short or not well-formed CBOR`;
    default:
      return `record ${scan.record + 1}${explainRecord(bytes, problem)}`;
  }
}

function explainRecord(bytes: Uint8Array, problem: SenmlProblem): string {
  const slot = scan.faultSlot;
  const field = slot < 0 ? ` has the label ${labelText(bytes)}` : fieldName(slot);
  switch (problem) {
    case "record-type":
      return ` is ${itemName(bytes, scan.recordAt)}, not a map`;
    case "label-type":
      return ` has ${itemName(bytes, scan.faultFrom)} as a label; a label is an integer or a definite text`;
    case "text-label":
      return `: the label "${FIELD_NAMES[slot]!}" has to be the integer ${labelOfSlot(slot)}`;
    case "label-count":
      return ` has more than ${SENML_EXTENSION_LABELS_MAX} labels that RFC 8428 does not define`;
    case "duplicate-label":
      return slot < 0 ? `${field} twice` : ` has ${field} twice`;
    case "must-understand":
      return `${field}, which ends in _ and is not understood`;
    case "version":
      return `, ${field}: known are 10, and 26 with secondary units (RFC 9100)`;
    case "version-differs":
      return `, ${field}: not the version of the records before (10 where none is given)`;
    case "value-type":
      return `, ${field}: ${wrongItem(bytes, slot)}`;
    case "mantissa":
      return `, ${field}: a mantissa of more than ${SENML_BIGNUM_BYTES_MAX} bytes`;
    case "number":
      return `, ${field}: not finite as a double, with its base if it has one`;
    case "utf8":
      return slot < 0 ? " has a label that is not UTF-8" : `, ${field}: not UTF-8`;
    case "several-values":
      return ` has ${namesOf(scan.seen & VALUES)}: one value is allowed`;
    case "no-value":
      return " has neither value nor sum nor base field";
    case "name-missing":
      return " has no name";
    case "name-characters":
      return `, ${field}: a character other than A-Z a-z 0-9 - : . / _`;
    default:
      return " has a name that does not start with a letter or digit";
  }
}

function wrongItem(bytes: Uint8Array, slot: number): string {
  const item = itemName(bytes, fieldAt[slot]!);
  const kind = KINDS[slot]!;
  if (kind === KIND_NUMBER && item === "tag 4") return "tag 4 without [integer exponent, integer or bignum mantissa]";
  if (kind === KIND_NUMBER) return `${item} instead of an integer, a float or tag 4`;
  if (kind === KIND_BOOLEAN) return `${item} instead of true or false`;
  return `${item} instead of a definite ${kind === KIND_DATA ? "byte string" : "text"}`;
}

/** "v (2)", or the name alone where the label is text. */
function fieldName(slot: number): string {
  return slot < LABELS ? `${FIELD_NAMES[slot]!} (${labelOfSlot(slot)})` : FIELD_NAMES[slot]!;
}

function namesOf(fields: number): string {
  return FIELD_NAMES.filter((_, slot) => (fields & (1 << slot)) !== 0).join(" and ");
}

const LABEL_CHARACTERS_SHOWN = 24;

/** The extension label of the fault, without what could upset a terminal. */
function labelText(bytes: Uint8Array): string {
  if (scan.faultTo < 0) return String(scan.faultFrom);
  const end = Math.min(scan.faultTo, scan.faultFrom + LABEL_CHARACTERS_SHOWN);
  const text = Buffer.from(bytes.subarray(scan.faultFrom, end))
    .toString("latin1")
    .replaceAll(/[^ -~]/gu, "?");
  return `"${text}${end < scan.faultTo ? "..." : ""}"`;
}

const MAJOR_NAMES = ["an integer", "an integer", "a byte string", "a text", "an array", "a map"] as const;
const SIMPLE_NAMES: Readonly<Record<number, string>> = {
  0xf4: "false",
  0xf5: "true",
  0xf6: "null",
  0xf7: "undefined",
  0xf9: "a float",
  0xfa: "a float",
  0xfb: "a float",
};

/** What the well-formed head at `at` begins, for people. */
function itemName(bytes: Uint8Array, at: number): string {
  const initial = bytes[at]!;
  const major = initial >> 5;
  const info = initial & 31;
  if (major === 7) return SIMPLE_NAMES[initial] ?? "a simple value";
  if (major === 6) {
    let tag = info < 24 ? BigInt(info) : 0n;
    if (info >= 24)
      for (const byte of bytes.subarray(at + 1, at + 1 + (1 << (info - 24)))) tag = tag * 256n + BigInt(byte);
    return `tag ${tag}`;
  }
  return info === 31 && major < 4 ? `${MAJOR_NAMES[major]!} in chunks` : MAJOR_NAMES[major]!;
}
