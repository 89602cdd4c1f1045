/**
 * The fields of a SenML record: the integer labels of RFC 8428 §6, table 4, and the text labels that other
 * specifications added and Paddock knows. A field is known by its slot, and a set of fields is a number with bit `1 << slot`.
 */

/** Slot of an integer label: label + 6. */
export const LABEL_OFFSET = 6;
/** Integer labels that the table has: -6 to 8. */
export const LABELS = 15;

export const SLOT_BASE_SUM = 0;
export const SLOT_BASE_VALUE = 1;
export const SLOT_BASE_UNIT = 2;
export const SLOT_BASE_TIME = 3;
export const SLOT_BASE_NAME = 4;
export const SLOT_BASE_VERSION = 5;
export const SLOT_NAME = 6;
export const SLOT_UNIT = 7;
export const SLOT_VALUE = 8;
export const SLOT_STRING = 9;
export const SLOT_BOOLEAN = 10;
export const SLOT_SUM = 11;
export const SLOT_TIME = 12;
export const SLOT_UPDATE_TIME = 13;
export const SLOT_DATA = 14;
/** The LwM2M object link. */
export const SLOT_LINK = 15;
/** Content-Format of vd and its base field (RFC 9193 §3, §4): text labels also in CBOR. */
export const SLOT_CONTENT_FORMAT = 16;
export const SLOT_BASE_CONTENT_FORMAT = 17;

/** By slot. */
export const FIELD_NAMES: readonly string[] = "bs bv bu bt bn bver n u v vs vb s t ut vd vlo ct bct".split(" ");
export const SLOTS = FIELD_NAMES.length;

export const BASE_FIELDS = 0b11_1111 | (1 << SLOT_BASE_CONTENT_FORMAT);
export const LINK = 1 << SLOT_LINK;
export const VALUES = (1 << SLOT_VALUE) | (1 << SLOT_STRING) | (1 << SLOT_BOOLEAN) | (1 << SLOT_DATA) | LINK;
export const SUM = 1 << SLOT_SUM;

export const KIND_NUMBER = 0;
export const KIND_NAME = 1;
export const KIND_TEXT = 2;
export const KIND_BOOLEAN = 3;
export const KIND_DATA = 4;
export const KIND_VERSION = 5;
/** By slot: the type of a field's value. */
export const KINDS = Uint8Array.of(
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
  KIND_TEXT,
  KIND_TEXT,
  KIND_TEXT,
);

const SLOT_BY_NAME: ReadonlyMap<number, number> = new Map(
  FIELD_NAMES.map((name, slot) => [keyOf(Buffer.from(name), 0, name.length), slot]),
);

/** The slot of the field that the text label in [from, to) spells, or -1. */
export function slotOfName(bytes: Uint8Array, from: number, to: number): number {
  return SLOT_BY_NAME.get(keyOf(bytes, from, to)) ?? -1;
}

/** No two texts of up to five bytes have the same, and no longer one has that of a shorter one. */
function keyOf(bytes: Uint8Array, from: number, to: number): number {
  let key = 1;
  for (let at = from; at < to; at++) key = key * 256 + bytes[at]!;
  return key;
}

/** The integer label of a slot of the table. */
export function labelOfSlot(slot: number): number {
  return slot - LABEL_OFFSET;
}

/** The version of RFC 8428 §4.4 as the set of features that RFC 9100 §2 reads it as: bits 1 and 3, and 4 for secondary units. */
export const VERSION_DEFAULT = 10;
const VERSION_FEATURES = 0b1_0000;

/** Whether `version` has the bits of RFC 8428 and no feature that nobody here knows (RFC 9100 §2, §3). */
export function isKnownVersion(version: number): boolean {
  return version === VERSION_DEFAULT || version === (VERSION_DEFAULT | VERSION_FEATURES);
}
