import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { skipItem } from "./cbor-read.ts";
import { checkSenml, describeSenmlProblem, type SenmlProblem } from "./senml.ts";

/** A resolved SenML record (RFC 8428 §4.6): every base field applied, its time absolute. */
export interface Reading {
  readonly name: string;
  readonly unit: string | undefined;
  /** v, vs, vb or vd (or the LwM2M object link as text); undefined when the record carries a sum alone. */
  readonly value: number | string | boolean | Uint8Array | undefined;
  /** Unix time in seconds. */
  readonly time: number;
  readonly sum: number | undefined;
  /** Seconds within which the sensor will send again, as far as it says. */
  readonly updateTime: number | undefined;
}

/** Values below are relative to now, others count from 1970 (RFC 8428 §4.5.3). */
const ABSOLUTE_FROM = 2 ** 28;

/**
 * The readings of a pack, in order of time. `now` is the Unix time in seconds at which the gateway received it; times
 * that the sensor gave relative to its sending count from there. Accepts whatever a gateway accepts, that is also LwM2M
 * names and open streams. Data values are views into `bytes`. A record with base fields only makes no reading.
 */
export function resolveSenml(bytes: Uint8Array, { now }: { now: number }): Outcome<Reading[], SenmlProblem> {
  const lwm2mProblem = checkSenml(bytes, { lwm2m: true, sensml: true });
  // Outside LwM2M the label vlo means nothing, so what fails on it may still be a plain pack.
  const problem = lwm2mProblem && checkSenml(bytes, { lwm2m: false, sensml: true });
  if (problem !== undefined) return refuse(lwm2mProblem!, describeSenmlProblem(lwm2mProblem!));
  const readings: Reading[] = [];
  const items = new CheckedItems(bytes);
  const base: Fields = {};
  for (const left = items.enter(); items.hasMore(left);) {
    const record = readRecord(items);
    if (lwm2mProblem !== undefined) delete record[LINK];
    Object.assign(base, pick(record, BASE_LABELS));
    if (VALUE_LABELS.every((label) => record[label] === undefined) && record[SUM] === undefined) continue;
    const reading = resolve(record, base, now);
    if (![reading.time, reading.sum ?? 0, reading.value].every(isFiniteOrNoNumber)) {
      return refuse("number", describeSenmlProblem("number"));
    }
    readings.push(reading);
  }
  return accept(readings.toSorted((left, right) => left.time - right.time));
}

const BASE_SUM = -6;
const BASE_VALUE = -5;
const BASE_UNIT = -4;
const BASE_TIME = -3;
const BASE_NAME = -2;
const NAME = 0;
const UNIT = 1;
const VALUE = 2;
const STRING = 3;
const BOOLEAN = 4;
const SUM = 5;
const TIME = 6;
const UPDATE_TIME = 7;
const DATA = 8;
const LINK = "vlo";
const BASE_LABELS = [BASE_SUM, BASE_VALUE, BASE_UNIT, BASE_TIME, BASE_NAME] as const;
const VALUE_LABELS = [VALUE, STRING, BOOLEAN, DATA, LINK] as const;

type Scalar = number | string | boolean | Uint8Array;
type Fields = { [label: string | number]: Scalar | undefined };

function resolve(record: Fields, base: Fields, now: number): Reading {
  const time = number(base[BASE_TIME]) + number(record[TIME]);
  const sum =
    base[BASE_SUM] === undefined && record[SUM] === undefined
      ? undefined
      : number(base[BASE_SUM]) + number(record[SUM]);
  return {
    name: `${text(base[BASE_NAME]) ?? ""}${text(record[NAME]) ?? ""}`,
    unit: text(record[UNIT]) ?? text(base[BASE_UNIT]),
    value: valueOf(record, base),
    time: time < ABSOLUTE_FROM ? now + time : time,
    sum,
    updateTime: record[UPDATE_TIME] === undefined ? undefined : number(record[UPDATE_TIME]),
  };
}

function valueOf(record: Fields, base: Fields): Reading["value"] {
  const other = record[STRING] ?? record[BOOLEAN] ?? record[DATA] ?? record[LINK];
  if (other !== undefined) return other;
  if (record[VALUE] === undefined && base[BASE_VALUE] === undefined) return undefined;
  return number(base[BASE_VALUE]) + number(record[VALUE]);
}

function number(value: Scalar | undefined): number {
  return typeof value === "number" ? value : 0;
}

function text(value: Scalar | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isFiniteOrNoNumber(value: Scalar | undefined): boolean {
  return typeof value !== "number" || Number.isFinite(value);
}

function pick(record: Fields, labels: readonly number[]): Fields {
  const picked: Fields = {};
  for (const label of labels) if (record[label] !== undefined) picked[label] = record[label];
  return picked;
}

function readRecord(items: CheckedItems): Fields {
  const record: Fields = Object.create(null) as Fields;
  for (const left = items.enter(); items.hasMore(left);) {
    const label = items.scalar();
    const isKnown = label === LINK || (typeof label === "number" && label >= BASE_SUM && label <= DATA);
    if (!isKnown || (label === LINK && !items.nextIsText)) items.skip();
    else record[label] = items.scalar();
  }
  return record;
}

/** Items left in a container, or -1 until its break. */
interface Left {
  count: number;
}

/** Walks CBOR that checkSenml has found good, so it needs no checks of its own. */
class CheckedItems {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Takes the head of an array or map. */
  enter(): Left {
    return { count: this.#argument() ?? -1 };
  }

  /** Whether another element (array) or pair (map) follows; call once for each. */
  hasMore(left: Left): boolean {
    if (left.count >= 0) return left.count-- > 0;
    if (this.#at >= this.#bytes.length) return false;
    if (this.#bytes[this.#at] !== 0xff) return true;
    this.#at++;
    return false;
  }

  get nextIsText(): boolean {
    return this.#bytes[this.#at]! >> 5 === 3;
  }

  skip(): void {
    this.#at = skipItem(this.#bytes, this.#at);
  }

  scalar(): Scalar {
    const start = this.#at;
    const initial = this.#bytes[start]!;
    const argument = this.#argument() ?? 0;
    switch (initial >> 5) {
      case 0:
        return argument;
      case 1:
        return -1 - argument;
      case 2:
        return this.#take(argument);
      case 3:
        return Buffer.from(this.#take(argument)).toString("utf8");
      case 6:
        return this.#decimalFraction();
      default:
        return this.#simple(initial, start + 1);
    }
  }

  /** Behind tag 4: [exponent, mantissa]. Through text, so that 2315 * 10^-2 is the double nearest to 23.15. */
  #decimalFraction(): number {
    this.#argument();
    const exponent = this.scalar();
    const mantissa = this.scalar();
    return Number(`${BigInt(mantissa as number)}e${BigInt(exponent as number)}`);
  }

  #simple(initial: number, at: number): Scalar {
    if (initial === 0xf9) return this.#view.getFloat16(at);
    if (initial === 0xfa) return this.#view.getFloat32(at);
    if (initial === 0xfb) return this.#view.getFloat64(at);
    return initial === 0xf5;
  }

  #take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  /** Takes a head and returns its argument; undefined for an indefinite length. */
  #argument(): number | undefined {
    const info = this.#bytes[this.#at++]! & 31;
    if (info < 24) return info;
    if (info === 31) return undefined;
    let argument = 0;
    for (const end = this.#at + (1 << (info - 24)); this.#at < end; this.#at++) {
      argument = argument * 256 + this.#bytes[this.#at]!;
    }
    return argument;
  }
}
