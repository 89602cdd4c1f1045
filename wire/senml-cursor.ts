import { isUtf8 } from "node:buffer";
import { SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import { SLOTS } from "./senml-fields.ts";
import type { SenmlProblem } from "./senml.ts";

/**
 * Where a walk over a SenML pack stands and what it leaves behind, with the steps that move it on. All of it is exported as
 * one object to be taken apart: an exported or imported name is read from its module each time, which a hot path feels.
 */

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
  /** For a reader to whom a value beyond the doubles is still a reading: its record is no problem then. */
  anyValue: false,
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

/** A problem of the field in `slot`, which explanations name. */
function fieldFault(problem: SenmlProblem, slot: number): SenmlProblem {
  state.faultSlot = slot;
  return problem;
}

/** A problem of the label whose text lies from `from` to `to`, or of the item that stands in place of one. */
function labelFault(problem: SenmlProblem, from: number, to: number): SenmlProblem {
  state.faultFrom = from;
  state.faultTo = to;
  return problem;
}

/** "utf8" when the bytes are not. */
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

export const cursor = {
  state,
  places,
  extensionFrom,
  extensionTo,
  fieldFault,
  labelFault,
  checkUtf8,
  takeHead,
} as const;
