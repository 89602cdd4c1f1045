import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "./content-formats.ts";
import { FRAME_BYTES_MAX, PARTIAL_IV_BYTES_MAX, SENSOR_ID_BYTES_MAX } from "./limits.ts";

/**
 * COSE_Mac0 (RFC 9052 §6.2) around a frame of a keyed sensor: `[protected, unprotected, payload, tag]`. The headers name
 * algorithm, inner Content-Format, sensor and sequence number. docs/protocol.md §1.5.
 */

/** HMAC with SHA-256, tag cut to 64 bits or whole (RFC 9053 §3.1). */
export const ALG_HMAC_256_64 = 4;
export const ALG_HMAC_256_256 = 5;
export type MacAlgorithm = 4 | 5;

const LABEL_ALG = 1;
const LABEL_CRIT = 2;
const LABEL_CONTENT_TYPE = 3;
const LABEL_KID = 4;
const LABEL_IV = 5;
const LABEL_PARTIAL_IV = 6;
const TAG_MAC0 = 17;
/** Ours take at most 1 + 2 + 3 + 3 + 64 + 2 + 5; the rest is room for labels of others. */
const PROTECTED_BYTES_MAX = 256;
/** Pairs in one header; labels are compared pairwise for duplicates. */
const HEADER_PAIRS_MAX = 16;
const LABEL_BYTES_MAX = 64;
const NO_EXTERNAL_AAD = new Uint8Array(0);

/** A COSE_Mac0 taken apart; byte strings are views into it. */
export interface Mac0 {
  readonly algorithm: MacAlgorithm;
  /** Content-Format of `payload`: 112, also when the header does not say, or 113. */
  readonly format: number;
  /** The sensor's id. */
  readonly sensor: string;
  /** The partial IV as a number: 0 to 2^40-1. */
  readonly sequence: number;
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * Takes a COSE_Mac0 apart without verifying it, with or without its CBOR tag. Whether the payload is SenML is the
 * caller's to check.
 */
export function decodeMac0(encoded: Uint8Array): Outcome<Mac0, "cose-format"> {
  const reader = new CborReader(encoded);
  // Where the Content-Format says what it is, the tag may be left out (RFC 9052 §2).
  if (reader.nextIsTag) reader.tag("COSE_Mac0", TAG_MAC0);
  reader.array("COSE_Mac0", 4);
  const header: Header = { format: FORMAT_SENML_CBOR, labels: [] };
  const protectedBytes = reader.bytes("protected header", 1, PROTECTED_BYTES_MAX);
  if (reader.problem === undefined) {
    const inner = new CborReader(protectedBytes);
    readHeader(inner, header, true);
    inner.end("protected header");
    if (inner.problem !== undefined) return refuse("cose-format", `protected header: ${inner.problem}`);
  }
  readHeader(reader, header, false);
  const payload = reader.bytes("payload", 0, FRAME_BYTES_MAX);
  const tag = reader.bytes("tag", tagBytes(ALG_HMAC_256_64), tagBytes(ALG_HMAC_256_256));
  reader.end("COSE_Mac0");
  if (reader.problem !== undefined) return refuse("cose-format", reader.problem);
  const { algorithm, format, sensor, sequence } = header;
  if (algorithm !== ALG_HMAC_256_64 && algorithm !== ALG_HMAC_256_256) {
    return refuse("cose-format", `protected header: algorithm ${algorithm} is not 4 or 5`);
  }
  if (format !== FORMAT_SENML_CBOR && format !== FORMAT_SENSML_CBOR) {
    return refuse("cose-format", `protected header: content format ${format} is not 112 or 113`);
  }
  if (sensor === undefined) return refuse("cose-format", "the key id is missing");
  if (sequence === undefined) return refuse("cose-format", "protected header: the partial IV is missing");
  if (tag.length !== tagBytes(algorithm)) {
    return refuse("cose-format", `the tag has ${tag.length} bytes, not ${tagBytes(algorithm)}`);
  }
  return accept({ algorithm, format, sensor, sequence, protectedBytes, payload, tag });
}

interface Header {
  algorithm?: number;
  format: number;
  sensor?: string;
  sequence?: number;
  /** Seen in either header: a label stands once in both together (RFC 9052 §3). */
  readonly labels: (number | string)[];
}

/** Reads a header map in any order of labels. What the tag has to cover counts in the protected one alone. */
function readHeader(reader: CborReader, header: Header, isProtected: boolean): void {
  const pairs = reader.map(isProtected ? "map" : "unprotected header", 0, HEADER_PAIRS_MAX);
  for (let pair = 0; pair < pairs && reader.problem === undefined; pair++) {
    const label = readLabel(reader);
    if (header.labels.includes(label)) reader.fail(`${labelName(label)} stands twice`);
    header.labels.push(label);
    if (label === LABEL_KID) header.sensor = readSensor(reader);
    else if (label === LABEL_IV) reader.fail("label 5 (IV) is not taken, a partial IV (6) is");
    else if (!isProtected && MUST_BE_PROTECTED.has(label))
      reader.fail(`label ${label} has to be in the protected header`);
    else if (label === LABEL_ALG) header.algorithm = reader.uint("algorithm");
    else if (label === LABEL_CRIT) readCritical(reader);
    else if (label === LABEL_CONTENT_TYPE) header.format = readContentType(reader);
    else if (label === LABEL_PARTIAL_IV) header.sequence = readSequence(reader);
    // What is not understood and not critical is ignored (RFC 9052 §3.1).
    else reader.skip(`the value of ${labelName(label)}`);
  }
}

const MUST_BE_PROTECTED: ReadonlySet<number | string> = new Set([
  LABEL_ALG,
  LABEL_CRIT,
  LABEL_CONTENT_TYPE,
  LABEL_PARTIAL_IV,
]);
const UNDERSTOOD: ReadonlySet<number | string> = new Set([LABEL_ALG, LABEL_CONTENT_TYPE, LABEL_KID, LABEL_PARTIAL_IV]);

function readLabel(reader: CborReader): number | string {
  return reader.nextIsText ? reader.text("label", LABEL_BYTES_MAX) : reader.int("label");
}

/** Of a text label only that it is one: it may hold anything. */
function labelName(label: number | string): string {
  return typeof label === "number" ? `label ${label}` : "a text label";
}

function readCritical(reader: CborReader): void {
  for (let left = reader.array("crit", 1, HEADER_PAIRS_MAX); left > 0 && reader.problem === undefined; left--) {
    const label = readLabel(reader);
    if (!UNDERSTOOD.has(label)) reader.fail("crit names a label that is not understood");
  }
}

const CONTENT_TYPES: ReadonlyMap<string, number> = new Map([
  ["application/senml+cbor", FORMAT_SENML_CBOR],
  ["application/sensml+cbor", FORMAT_SENSML_CBOR],
]);

/** A Content-Format, or the media type that it stands for. */
function readContentType(reader: CborReader): number {
  if (!reader.nextIsText) return reader.uint("content format", 0xffff);
  const format = CONTENT_TYPES.get(reader.text("content type", LABEL_BYTES_MAX));
  if (format === undefined) reader.fail("content type is no SenML in CBOR");
  return format ?? FORMAT_SENML_CBOR;
}

function readSensor(reader: CborReader): string {
  const bytes = reader.bytes("key id", 1, SENSOR_ID_BYTES_MAX);
  if (!isUtf8(bytes)) reader.fail("the key id is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

function readSequence(reader: CborReader): number {
  let sequence = 0;
  for (const byte of reader.bytes("partial IV", 1, PARTIAL_IV_BYTES_MAX)) sequence = sequence * 256 + byte;
  return sequence;
}

/** Whether the tag was made with this key. Takes the same time wherever the tags differ. */
export function verifyMac0(parts: Mac0, key: KeyObject): boolean {
  return timingSafeEqual(computeTag(parts.algorithm, parts.protectedBytes, parts.payload, key), parts.tag);
}

/** What a keyed sensor sends. Throws RangeError for an id or a sequence number that do not fit. */
export function encodeMac0(
  key: KeyObject,
  header: { algorithm: MacAlgorithm; format?: number | undefined; sensor: string; sequence: number },
  payload: Uint8Array,
): Buffer {
  const kid = Buffer.from(header.sensor, "utf8");
  if (kid.length === 0 || kid.length > SENSOR_ID_BYTES_MAX) throw new RangeError(`a sensor id has ${kid.length} bytes`);
  const writer = new CborWriter(PROTECTED_BYTES_MAX)
    .map(header.format === undefined ? 3 : 4)
    .int(LABEL_ALG)
    .int(header.algorithm);
  if (header.format !== undefined) writer.int(LABEL_CONTENT_TYPE).int(header.format);
  const protectedBytes = writer
    .int(LABEL_KID)
    .bytes(kid)
    .int(LABEL_PARTIAL_IV)
    .bytes(encodeSequence(header.sequence))
    .finish();
  return new CborWriter(protectedBytes.length + payload.length + 48)
    .tag(TAG_MAC0)
    .array(4)
    .bytes(protectedBytes)
    .map(0)
    .bytes(payload)
    .bytes(computeTag(header.algorithm, protectedBytes, payload, key))
    .finish();
}

/** Big endian, as short as it goes, but at least one byte. */
function encodeSequence(sequence: number): Uint8Array {
  if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= 256 ** PARTIAL_IV_BYTES_MAX) {
    throw new RangeError(`a sequence number has at most ${PARTIAL_IV_BYTES_MAX} bytes: ${sequence}`);
  }
  const bytes: number[] = [];
  for (let rest = sequence; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}

/** HMAC over the MAC_structure of RFC 9052 §6.3. */
function computeTag(algorithm: MacAlgorithm, protectedBytes: Uint8Array, payload: Uint8Array, key: KeyObject): Buffer {
  const structure = new CborWriter(protectedBytes.length + payload.length + 32)
    .array(4)
    .text("MAC0")
    .bytes(protectedBytes)
    .bytes(NO_EXTERNAL_AAD)
    .bytes(payload)
    .finish();
  return createHmac("sha256", key).update(structure).digest().subarray(0, tagBytes(algorithm));
}

function tagBytes(algorithm: MacAlgorithm): number {
  return algorithm === ALG_HMAC_256_64 ? 8 : 32;
}
