import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import {
  SLOT_BASE_CONTENT_FORMAT,
  SLOT_BASE_NAME,
  SLOT_BASE_SUM,
  SLOT_BASE_TIME,
  SLOT_BASE_UNIT,
  SLOT_BASE_VALUE,
  SLOT_BOOLEAN,
  SLOT_CONTENT_FORMAT,
  SLOT_DATA,
  SLOT_LINK,
  SLOT_NAME,
  SLOT_STRING,
  SLOT_SUM,
  SLOT_TIME,
  SLOT_UNIT,
  SLOT_UPDATE_TIME,
  SLOT_VALUE,
  SUM,
  VALUES,
} from "./senml-fields.ts";
import { exactText } from "./senml-exact.ts";
import { numberAt } from "./senml-number.ts";
import { fieldAt, scan, scanAnyValue, scanPack } from "./senml-scan.ts";
import { sumOf } from "./senml-sums.ts";
import { TextCache } from "./text-cache.ts";
import { explainScan, type SenmlProblem, type SenmlRules } from "./senml.ts";

/** A resolved SenML record (RFC 8428 §4.6): every base field applied, its time absolute. */
export interface Reading {
  readonly name: string;
  readonly unit: string | undefined;
  /** v, vs, vb or vd (or the LwM2M object link as text); undefined when the record carries a sum alone. */
  readonly value: number | string | boolean | Uint8Array | undefined;
  /** Of a data value: its content format as RFC 9193 §3 spells it, such as "60" or "text/csv". */
  readonly contentFormat: string | undefined;
  /** Unix time in seconds. */
  readonly time: number;
  readonly sum: number | undefined;
  /** Seconds within which the sensor will send again, as far as it says. */
  readonly updateTime: number | undefined;
}

/** What a pack says, as far as it can be understood. */
export interface ReadPack {
  /** In order of time. */
  readonly readings: readonly Reading[];
  /** Why records are not among them, in their order; each names its record. */
  readonly faults: readonly { readonly problem: SenmlProblem; readonly detail: string }[];
}

/** A reading with what a double or its time alone do not tell. */
export interface KeptReading extends Reading {
  /** As Reading's; NaN or infinite where the record says so, or says more than a double holds. */
  readonly value: Reading["value"];
  /** The decimal text of a number that its double does not hold; see exactText. */
  readonly exact: string | undefined;
  /** Whether the sensor gave its time relative to its sending, or none. */
  readonly isRelative: boolean;
}

/** Values below are relative to now, others count from 1970 (RFC 8428 §4.5.3). */
const ABSOLUTE_FROM = 2 ** 28;

/** Whatever a gateway accepts: also LwM2M names and open streams. */
const RULES: SenmlRules = { lwm2m: "unknown", sensml: true };

/**
 * The readings of a pack. `now` is the Unix time in seconds at which the gateway received it; times that the sensor gave
 * relative to its sending count from there. Data values are views into `bytes`. A record with base fields only makes no
 * reading. One bad record costs only itself, unless a base field or the rest of the pack cannot be read.
 */
export function readSenml(bytes: Uint8Array, { now }: { now: number }): ReadPack {
  const readings: Reading[] = [];
  const faults: { problem: SenmlProblem; detail: string }[] = [];
  const onFault = (problem: SenmlProblem): void => {
    faults.push({ problem, detail: explainScan(bytes, problem) });
  };
  const onReading = (): void => {
    const { exact: _exact, isRelative: _isRelative, ...reading } = readingOf(bytes, now);
    readings.push(reading);
  };
  walk(scanPack, bytes, onReading, onFault);
  return { readings: readings.toSorted((left, right) => left.time - right.time), faults };
}

/**
 * The readings of a pack in its order, as readSenml tells them, but a value that is not finite as a double is a reading
 * too. Texts are those of the bytes; data values are views into `bytes`.
 */
export function walkReadings(
  bytes: Uint8Array,
  { now }: { now: number },
  onReading: (reading: KeptReading) => void,
  onFault: (detail: string) => void,
): void {
  walk(
    scanAnyValue,
    bytes,
    () => onReading(readingOf(bytes, now)),
    (problem) => onFault(explainScan(bytes, problem)),
  );
}

/** Visits each record that makes a reading, and tells each problem once. */
function walk(
  scanRecords: typeof scanAnyValue,
  bytes: Uint8Array,
  onReading: () => void,
  onFault: (problem: SenmlProblem) => void,
): void {
  let toldOf = -1;
  const rest = scanRecords(bytes, RULES, (problem) => {
    if (problem !== undefined) {
      toldOf = scan.record;
      onFault(problem);
    } else if ((scan.seen & (VALUES | SUM)) !== 0) onReading();
  });
  // What ends the walk with a record that was told of is told already.
  if (rest !== undefined && (toldOf !== scan.record || !scan.whole)) onFault(rest);
}

/** As readSenml, but all or nothing: refused when anything in the pack is not as a gateway takes it. */
export function resolveSenml(bytes: Uint8Array, when: { now: number }): Outcome<readonly Reading[], SenmlProblem> {
  const { readings, faults } = readSenml(bytes, when);
  return faults[0] === undefined ? accept(readings) : refuse(faults[0].problem, faults[0].detail);
}

/** The reading of the record that the scanner has just found good. */
function readingOf(bytes: Uint8Array, now: number): KeptReading {
  const time = sumOf(bytes, fieldAt, scan.seen, SLOT_BASE_TIME, SLOT_TIME) ?? 0;
  const isRelative = time < ABSOLUTE_FROM;
  const data = has(SLOT_DATA);
  const unit = textOf(bytes, SLOT_UNIT, SLOT_BASE_UNIT);
  const contentFormat = data ? textOf(bytes, SLOT_CONTENT_FORMAT, SLOT_BASE_CONTENT_FORMAT) : undefined;
  const value = valueOf(bytes);
  return {
    name: nameOf(bytes),
    // Empty is none, also where it takes the place of a base unit.
    unit: unit === "" ? undefined : unit,
    value,
    contentFormat: contentFormat === "" ? undefined : contentFormat,
    time: isRelative ? now + time : time,
    sum: sumOf(bytes, fieldAt, scan.seen, SLOT_BASE_SUM, SLOT_SUM),
    updateTime: has(SLOT_UPDATE_TIME) ? numberAt(bytes, fieldAt[SLOT_UPDATE_TIME]!) : undefined,
    exact: typeof value === "number" ? exactText(bytes, fieldAt, scan.seen, value) : undefined,
    isRelative,
  };
}

function valueOf(bytes: Uint8Array): Reading["value"] {
  if (has(SLOT_STRING)) return own(bytes, SLOT_STRING);
  if (has(SLOT_BOOLEAN)) return bytes[fieldAt[SLOT_BOOLEAN]!] === 0xf5;
  if (has(SLOT_DATA)) return stringAt(bytes, fieldAt[SLOT_DATA]!);
  if (has(SLOT_LINK) && !has(SLOT_VALUE)) return own(bytes, SLOT_LINK);
  return sumOf(bytes, fieldAt, scan.seen, SLOT_BASE_VALUE, SLOT_VALUE);
}

function has(slot: number): boolean {
  return (scan.seen & (1 << slot)) !== 0;
}

const texts = new TextCache();

function nameOf(bytes: Uint8Array): string {
  const baseAt = fieldAt[SLOT_BASE_NAME]!;
  const base = baseAt < 0 ? 0 : stringStart(bytes, baseAt);
  const baseEnd = baseAt < 0 ? 0 : base + stringLength(bytes, baseAt);
  if (!has(SLOT_NAME)) return texts.text(bytes, base, baseEnd);
  const ownAt = fieldAt[SLOT_NAME]!;
  const start = stringStart(bytes, ownAt);
  return texts.text(bytes, base, baseEnd, start, start + stringLength(bytes, ownAt));
}

function own(bytes: Uint8Array, slot: number): string | undefined {
  return has(slot) ? textAt(bytes, fieldAt[slot]!) : undefined;
}

function textOf(bytes: Uint8Array, slot: number, baseSlot: number): string | undefined {
  if (has(slot)) return textAt(bytes, fieldAt[slot]!);
  const baseAt = fieldAt[baseSlot]!;
  return baseAt < 0 ? undefined : textAt(bytes, baseAt);
}

function textAt(bytes: Uint8Array, at: number): string {
  const start = stringStart(bytes, at);
  return texts.text(bytes, start, start + stringLength(bytes, at));
}

/** The content of the definite string at `at`. */
function stringAt(bytes: Uint8Array, at: number): Uint8Array {
  const start = stringStart(bytes, at);
  return bytes.subarray(start, start + stringLength(bytes, at));
}

function stringStart(bytes: Uint8Array, at: number): number {
  const info = bytes[at]! & 31;
  return at + 1 + (info < 24 ? 0 : 1 << (info - 24));
}

function stringLength(bytes: Uint8Array, at: number): number {
  const info = bytes[at]! & 31;
  if (info < 24) return info;
  let length = 0;
  for (let index = at + 1; index < stringStart(bytes, at); index++) length = length * 256 + bytes[index]!;
  return length;
}
