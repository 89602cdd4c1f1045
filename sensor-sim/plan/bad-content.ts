import type { Random } from "@paddock/base/random.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";

/**
 * Frames that a gateway has to refuse (docs/protocol.md §1.4), each unique by the sensor's name and sequence number,
 * so that one that was stored all the same is found.
 */
export type Malformation = (typeof MALFORMATIONS)[number];

export const MALFORMATIONS = [
  "reserved-initial-byte",
  "top-level-map",
  "trailing-byte",
  "duplicate-label",
  "must-understand-label",
  "newer-version",
  "value-of-wrong-type",
  "no-value",
  "character-in-name",
] as const;

/** Content-Formats that no sensor may use for a frame. */
const WRONG_FORMATS = [0, 50, 60, 110] as const;

export function anyMalformation(random: Random): Malformation {
  return MALFORMATIONS[random.below(MALFORMATIONS.length)]!;
}

export function anyWrongFormat(random: Random): number {
  return WRONG_FORMATS[random.below(WRONG_FORMATS.length)]!;
}

export function malformedFrame(malformation: Malformation, baseName: string, sequence: number): Buffer {
  const writer = new CborWriter();
  /** Starts the one record: `pairs` in all, the base name, name and value among them. */
  const record = (pairs: number): CborWriter =>
    writer.array(1).map(pairs).int(-2).text(baseName).int(0).text("seq").int(2).int(sequence);
  switch (malformation) {
    case "reserved-initial-byte":
      return record(4).int(4).raw(Buffer.of(0x1c)).finish();
    case "top-level-map":
      return writer.map(3).int(-2).text(baseName).int(0).text("seq").int(2).int(sequence).finish();
    case "trailing-byte":
      return record(3).int(0).finish();
    case "duplicate-label":
      return record(4).int(2).int(sequence).finish();
    case "must-understand-label":
      return record(4).text("simulated_").int(1).finish();
    case "newer-version":
      return record(4).int(-1).int(11).finish();
    case "value-of-wrong-type":
      return writer.array(1).map(3).int(-2).text(baseName).int(0).text("seq").int(2).text(String(sequence)).finish();
    case "no-value":
      return writer
        .array(2)
        .map(3)
        .int(-2)
        .text(baseName)
        .int(0)
        .text("seq")
        .int(2)
        .int(sequence)
        .map(1)
        .int(0)
        .text("empty")
        .finish();
    case "character-in-name":
      return writer.array(1).map(3).int(-2).text(`${baseName} §`).int(0).text("seq").int(2).int(sequence).finish();
  }
}

/** A frame above the limit of docs/protocol.md §1.1: padding behind the sequence number. */
export function oversizeFrame(baseName: string, sequence: number, bytes: number): Buffer {
  return new CborWriter(bytes + 64)
    .array(2)
    .map(3)
    .int(-2)
    .text(baseName)
    .int(0)
    .text("seq")
    .int(2)
    .int(sequence)
    .map(2)
    .int(0)
    .text("pad")
    .int(8)
    .bytes(Buffer.alloc(bytes))
    .finish();
}
