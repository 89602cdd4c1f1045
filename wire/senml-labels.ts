import { skipItem } from "./cbor-read.ts";
import { SENML_EXTENSION_LABELS_MAX } from "./limits.ts";
import { cursor } from "./senml-cursor.ts";
import * as fields from "./senml-fields.ts";
import * as fieldValues from "./senml-values.ts";
import type { SenmlProblem, SenmlRules } from "./senml.ts";

/** Labels that the table of integers does not have: extensions, and fields whose name stands as text. */

// In local names, which a hot path reads faster (senml-cursor.ts).
const { BASE_FIELDS, KINDS, LABELS, SLOT_LINK, slotOfName } = fields;
const { checkField } = fieldValues;
const { checkUtf8, extensionFrom, extensionTo, fieldFault, labelFault, places, state } = cursor;

const UNDERSCORE = 0x5f;

/** Takes a label that the table does not have, with its value: the field's bit, 0 for what means nothing here, or a problem. */
export function takeExtension(
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
    if (slot < LABELS) noteMisspelt(slot);
  } else if (!Number.isSafeInteger(label)) {
    return labelFault("label-type", labelAt, labelAt);
  }
  if (state.extensions === SENML_EXTENSION_LABELS_MAX) return "label-count";
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

/** Keeps the first, but a base field before others: it matters to the records that follow. -1, the name of no field, changes nothing. */
function noteMisspelt(slot: number): void {
  if (state.misspelt < 0 || ((1 << slot) & BASE_FIELDS) !== 0) state.misspelt = slot;
}

function sameLabel(bytes: Uint8Array, from: number, to: number, otherFrom: number, otherTo: number): boolean {
  if (to < 0 || otherTo < 0) return to === otherTo && from === otherFrom;
  if (to - from !== otherTo - otherFrom) return false;
  for (let index = 0; index < to - from; index++) if (bytes[from + index] !== bytes[otherFrom + index]) return false;
  return true;
}
