import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { checkSenml } from "@paddock/wire/senml.ts";
import type { BridgeForm } from "./config.ts";

/** Labels of SenML in CBOR (RFC 8428 §6, table 4). */
const BASE_NAME = -2;
const BASE_TIME = -3;
const NAME = 0;
const UNIT = 1;
const VALUE = 2;
const STRING = 3;
const BOOLEAN = 4;
/** Tag of a decimal fraction (RFC 8949 §3.4.4). */
const DECIMAL_FRACTION = 4;
/** A frame that needs no blocks: a CoAP message of 1,152 bytes less its options (RFC 7252 §4.6). */
const PACK_BYTES_MAX = 1024;
const SHOWN = 40;
/** Below this a time would count from now (RFC 8428 §4.5.3): January 1970 to July 1978. */
const ABSOLUTE_FROM_S = 2 ** 28;

const TRUE = new Set(["1", "true", "on", "yes"]);
const FALSE = new Set(["0", "false", "off", "no", ""]);
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/u;

/**
 * The SenML pack in CBOR that a request's fields are, or why they are none: the detail names the field, its value and the
 * remedy. Where a field stands several times its last value counts, as PHP reads it.
 */
export function packForm(form: BridgeForm, fields: URLSearchParams): Outcome<Buffer, "form"> {
  const last = (field: string): string | undefined => fields.getAll(field).at(-1)?.trim();
  const id = form.id === null ? "" : last(form.id);
  if (id === undefined || (form.id !== null && id === "")) return refuse("form", `${form.id} is missing.`);
  const baseName = form.name + id;
  if (!/^[A-Za-z0-9\-:./_]*$/u.test(id)) {
    return refuse("form", `${form.id} is ${shown(id)}; an id may hold A-Z a-z 0-9 - : . / _ alone.`);
  }
  const time = form.time === null ? undefined : timeOf(form.time, last(form.time.field));
  if (time?.ok === false) return time;
  const records: Buffer[] = [];
  for (const field of form.fields) {
    const value = last(field.field);
    if (value === undefined || (value === "" && field.kind === "number")) {
      if (field.required) return refuse("form", `${field.field} is missing.`);
      continue;
    }
    const encoded = valueOf(field.kind, value, form.decimalComma);
    if (encoded === undefined) {
      return refuse("form", `${field.field} is ${shown(value)}, which is no ${field.kind}.`);
    }
    const isFirst = records.length === 0;
    const writer = new CborWriter(64);
    const hasBase = isFirst && baseName !== "";
    const hasTime = isFirst && time?.value !== undefined;
    writer.map(2 + Number(hasBase) + Number(hasTime) + Number(field.unit !== null));
    if (hasTime) writer.int(BASE_TIME).raw(time.value);
    if (hasBase) writer.int(BASE_NAME).text(baseName);
    writer.int(NAME).text(field.name);
    if (field.unit !== null) writer.int(UNIT).text(field.unit);
    records.push(writer.raw(encoded).finish());
  }
  if (records.length === 0) {
    return refuse("form", `none of ${form.fields.map(({ field }) => field).join(", ")} is given.`);
  }
  const pack = Buffer.concat([new CborWriter(8).array(records.length).finish(), ...records]);
  if (pack.length > PACK_BYTES_MAX) {
    return refuse("form", `its readings take ${pack.length} bytes; at most ${PACK_BYTES_MAX} go into one frame.`);
  }
  const problem = checkSenml(pack, { lwm2m: false });
  return problem === undefined ? accept(pack) : refuse("form", `its readings are no SenML: ${problem}.`);
}

/** The item of the time in seconds; undefined without one. */
function timeOf(time: NonNullable<BridgeForm["time"]>, value: string | undefined): Outcome<Buffer | undefined, "form"> {
  if (value === undefined || value === "") return accept(undefined);
  const wrong = (why: string) => refuse("form", `${time.field} is ${shown(value)}, ${why}.`);
  let seconds: string;
  if (time.format === "iso") {
    // A time without an offset would be taken for local time, which is another one on each machine and twice an hour in autumn.
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/u.test(value)) {
      return wrong("which is no time such as 2026-01-31T12:00:00Z, with Z or an offset");
    }
    const ms = Date.parse(value);
    if (Number.isNaN(ms)) return wrong("which no calendar has");
    seconds = `${ms}e-3`;
  } else {
    if (!/^\d+(\.\d+)?$/u.test(value)) return wrong(`which is no time in ${time.format}`);
    seconds = time.format === "unix-seconds" ? value : `${value}e-3`;
  }
  if (!(Number(seconds) >= ABSOLUTE_FROM_S)) return wrong("which is before July 1978");
  const item = numberItem(seconds);
  return item === undefined ? wrong("which has too many digits") : accept(item);
}

function valueOf(kind: BridgeForm["fields"][number]["kind"], value: string, comma: boolean): Buffer | undefined {
  const writer = new CborWriter(32);
  switch (kind) {
    case "number": {
      const item = numberItem(comma ? value.replace(",", ".") : value);
      return item && writer.int(VALUE).raw(item).finish();
    }
    case "text":
      return writer.int(STRING).text(value.toWellFormed()).finish();
    case "boolean": {
      const word = value.toLowerCase();
      if (!TRUE.has(word) && !FALSE.has(word)) return undefined;
      return writer.int(BOOLEAN).boolean(TRUE.has(word)).finish();
    }
  }
}

/** A decimal number as it was written: a whole number, or a decimal fraction, so that no digit changes. */
function numberItem(text: string): Buffer | undefined {
  const parts = DECIMAL.exec(text);
  if (parts === null) return undefined;
  const [, sign = "", whole = "", fraction = "", power = "0"] = parts;
  if (whole + fraction === "") return undefined;
  const kept = fraction.replace(/0+$/u, "");
  const exponent = Number(power) - kept.length;
  const mantissa = Number(`${sign}${whole}${kept}`);
  if (!Number.isSafeInteger(mantissa) || !Number.isFinite(Number(`${mantissa}e${exponent}`))) return undefined;
  const writer = new CborWriter(24);
  if (exponent === 0) return writer.int(mantissa === 0 ? 0 : mantissa).finish();
  return writer
    .tag(DECIMAL_FRACTION)
    .array(2)
    .int(exponent)
    .int(mantissa === 0 ? 0 : mantissa)
    .finish();
}

function shown(value: string): string {
  return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
}
