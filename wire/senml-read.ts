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
import { numberAt } from "./senml-number.ts";
import { fieldAt, scan, scanPack } from "./senml-scan.ts";
import { sumOf } from "./senml-sums.ts";
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
  const rest = scanPack(bytes, RULES, (problem) => {
    if (problem !== undefined) faults.push({ problem, detail: explainScan(bytes, problem) });
    else if ((scan.seen & (VALUES | SUM)) !== 0) readings.push(readingOf(bytes, now));
  });
  // What ends the walk with a record that was told of is told already.
  if (rest !== undefined && faults.at(-1)?.problem !== rest) {
    faults.push({ problem: rest, detail: explainScan(bytes, rest) });
  }
  return { readings: readings.toSorted((left, right) => left.time - right.time), faults };
}

/** As readSenml, but all or nothing: refused when anything in the pack is not as a gateway takes it. */
export function resolveSenml(bytes: Uint8Array, when: { now: number }): Outcome<readonly Reading[], SenmlProblem> {
  const { readings, faults } = readSenml(bytes, when);
  return faults[0] === undefined ? accept(readings) : refuse(faults[0].problem, faults[0].detail);
}

/** The reading of the record that the scanner has just found good. */
function readingOf(bytes: Uint8Array, now: number): Reading {
  const time = sumOf(bytes, fieldAt, scan.seen, SLOT_BASE_TIME, SLOT_TIME) ?? 0;
  const data = has(SLOT_DATA);
  const unit = textOf(bytes, SLOT_UNIT, SLOT_BASE_UNIT);
  const contentFormat = data ? textOf(bytes, SLOT_CONTENT_FORMAT, SLOT_BASE_CONTENT_FORMAT) : undefined;
  return {
    name: (inForce(bytes, SLOT_BASE_NAME) ?? "") + (own(bytes, SLOT_NAME) ?? ""),
    // Empty is none, also where it takes the place of a base unit.
    unit: unit === "" ? undefined : unit,
    value: valueOf(bytes),
    contentFormat: contentFormat === "" ? undefined : contentFormat,
    time: time < ABSOLUTE_FROM ? now + time : time,
    sum: sumOf(bytes, fieldAt, scan.seen, SLOT_BASE_SUM, SLOT_SUM),
    updateTime: has(SLOT_UPDATE_TIME) ? numberAt(bytes, fieldAt[SLOT_UPDATE_TIME]!) : undefined,
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

function own(bytes: Uint8Array, slot: number): string | undefined {
  return has(slot) ? textAt(bytes, fieldAt[slot]!) : undefined;
}

function inForce(bytes: Uint8Array, baseSlot: number): string | undefined {
  return fieldAt[baseSlot]! < 0 ? undefined : textAt(bytes, fieldAt[baseSlot]!);
}

function textOf(bytes: Uint8Array, slot: number, baseSlot: number): string | undefined {
  return own(bytes, slot) ?? inForce(bytes, baseSlot);
}

function textAt(bytes: Uint8Array, at: number): string {
  return Buffer.from(stringAt(bytes, at)).toString("utf8");
}

/** The content of the definite string at `at`. */
function stringAt(bytes: Uint8Array, at: number): Uint8Array {
  const info = bytes[at]! & 31;
  const start = at + 1 + (info < 24 ? 0 : 1 << (info - 24));
  let length = info < 24 ? info : 0;
  for (let index = at + 1; index < start; index++) length = length * 256 + bytes[index]!;
  return bytes.subarray(start, start + length);
}
