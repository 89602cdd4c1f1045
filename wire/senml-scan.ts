import { cursor } from "./senml-cursor.ts";
import * as fields from "./senml-fields.ts";
import * as labels from "./senml-labels.ts";
import { forgetBaseNumbers, slotBeyondDoubles } from "./senml-sums.ts";
import * as fieldValues from "./senml-values.ts";
import type { SenmlProblem, SenmlRules } from "./senml.ts";

/**
 * The one walk over a SenML pack, for the gateway's check and for whoever reads: what it refuses nobody resolves, and
 * what it lets through does resolve. It leaves behind where each field of a record lies and makes no objects.
 */

// In local names, which a hot path reads faster (senml-cursor.ts).
const { BASE_FIELDS, KINDS, LABEL_OFFSET, LABELS, LINK, SLOT_VALUE, SUM, VALUES, VERSION_DEFAULT } = fields;
const { fieldFault, places, state, takeHead } = cursor;
const { takeExtension } = labels;
const { checkField, startsName } = fieldValues;

const VALUE = 1 << SLOT_VALUE;
const SLASH = 0x2f;
const BREAK = 0xff;

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

/** As scanPack with `visit`, but a value (v) that is not finite as a double is no problem of its record. */
export function scanAnyValue(
  bytes: Uint8Array,
  rules: SenmlRules,
  visit: (problem: SenmlProblem | undefined) => void,
): SenmlProblem | undefined {
  state.anyValue = true;
  try {
    return walkPack(bytes, rules, true, visit);
  } finally {
    state.anyValue = false;
  }
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
      if (!goesOn()) return problem;
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
      if (problem !== undefined && !isAnyValue(problem, slot)) return fieldFault(problem, slot);
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

function isAnyValue(problem: SenmlProblem, slot: number): boolean {
  return state.anyValue && problem === "number" && slot === SLOT_VALUE;
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
    const slot = slotBeyondDoubles(bytes, places, state.anyValue ? seen & ~VALUE : seen);
    if (slot !== undefined) return fieldFault("number", slot);
  }
  let values = seen & VALUES;
  // Where the resource is not known, a link beside another value was an extension that means nothing.
  if (lwm2m === "unknown" && values !== LINK) values &= ~LINK;
  if ((values & (values - 1)) !== 0) return "several-values";
  if (values === 0 && (seen & SUM) === 0) return (seen & BASE_FIELDS) === 0 ? "no-value" : undefined;
  const start = state.baseStart >= 0 ? state.baseStart : state.nameStart;
  if (start < 0) return "name-missing";
  const first = bytes[start]!;
  return startsName(first) || (lwm2m !== false && first === SLASH) ? undefined : "name-start";
}

export const scan: Readonly<typeof state> = state;
export const fieldAt: Readonly<Int32Array> = places;
