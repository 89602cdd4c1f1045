import {
  SLOT_BASE_SUM,
  SLOT_BASE_TIME,
  SLOT_BASE_VALUE,
  SLOT_SUM,
  SLOT_TIME,
  SLOT_UPDATE_TIME,
  SLOT_VALUE,
  SLOTS,
} from "./senml-fields.ts";
import { numberAt } from "./senml-number.ts";

/**
 * Numbers of a record with their base (RFC 8428 §4.6). `places` says by slot where a field's value starts (of a base
 * field -1 while there is none), `seen` is the set of fields that the record itself has.
 */

/** Base numbers that were computed, by slot, and where they stood: one of many digits is read once for all its records. */
const numbers = new Float64Array(SLOTS);
const numbersAt = new Int32Array(SLOTS);

/** To be called before a pack's first record. */
export function forgetBaseNumbers(): void {
  numbersAt.fill(-1);
}

/** A base number with the record's own; undefined where there is neither. */
export function sumOf(
  bytes: Uint8Array,
  places: Readonly<Int32Array>,
  seen: number,
  baseSlot: number,
  slot: number,
): number | undefined {
  const isOwn = (seen & (1 << slot)) !== 0;
  const baseAt = places[baseSlot]!;
  if (baseAt < 0) return isOwn ? numberAt(bytes, places[slot]!) : undefined;
  if (numbersAt[baseSlot] !== baseAt) {
    numbers[baseSlot] = numberAt(bytes, baseAt);
    numbersAt[baseSlot] = baseAt;
  }
  const base = numbers[baseSlot]!;
  return isOwn ? base + numberAt(bytes, places[slot]!) : base;
}

const PAIRS = [
  [SLOT_BASE_VALUE, SLOT_VALUE],
  [SLOT_BASE_TIME, SLOT_TIME],
  [SLOT_BASE_SUM, SLOT_SUM],
] as const;

/** The slot of a field that is not finite as a double, alone or with its base; undefined when all are. */
export function slotBeyondDoubles(bytes: Uint8Array, places: Readonly<Int32Array>, seen: number): number | undefined {
  for (const [baseSlot, slot] of PAIRS) {
    if (Number.isFinite(sumOf(bytes, places, seen, baseSlot, slot) ?? 0)) continue;
    return (seen & (1 << slot)) === 0 ? baseSlot : slot;
  }
  if ((seen & (1 << SLOT_UPDATE_TIME)) === 0) return undefined;
  return Number.isFinite(numberAt(bytes, places[SLOT_UPDATE_TIME]!)) ? undefined : SLOT_UPDATE_TIME;
}
