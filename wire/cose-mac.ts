import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { FORMAT_SENML_CBOR, FORMAT_SENSML_CBOR } from "./content-formats.ts";
import { FRAME_BYTES_MAX, PARTIAL_IV_BYTES_MAX, SENSOR_ID_BYTES_MAX } from "./limits.ts";

/**
 * COSE_Mac0 (RFC 9052 §6.2), tagged 17, around a frame of a keyed sensor: `[protected, {}, payload, tag]`. The
 * protected header names algorithm, inner Content-Format, sensor and sequence number. docs/protocol.md §1.5.
 */

/** HMAC with SHA-256, tag cut to 64 bits or whole (RFC 9053 §3.1). */
export const ALG_HMAC_256_64 = 4;
export const ALG_HMAC_256_256 = 5;
export type MacAlgorithm = 4 | 5;

const LABEL_ALG = 1;
const LABEL_CONTENT_TYPE = 3;
const LABEL_KID = 4;
const LABEL_PARTIAL_IV = 6;
const TAG_MAC0 = 17;
/** Four pairs, with a kid of SENSOR_ID_BYTES_MAX: 1 + 2 + 3 + 3 + 64 + 2 + 5. */
const PROTECTED_BYTES_MAX = 96;
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

/** Takes a COSE_Mac0 apart without verifying it. Whether the payload is SenML is the caller's to check. */
export function decodeMac0(encoded: Uint8Array): Outcome<Mac0, "cose-format"> {
  const reader = new CborReader(encoded);
  reader.tag("COSE_Mac0", TAG_MAC0);
  reader.array("COSE_Mac0", 4);
  const protectedBytes = reader.bytes("protected header", 1, PROTECTED_BYTES_MAX);
  reader.map("unprotected header", 0);
  const payload = reader.bytes("payload", 0, FRAME_BYTES_MAX);
  const tag = reader.bytes("tag", tagBytes(ALG_HMAC_256_64), tagBytes(ALG_HMAC_256_256));
  reader.end("COSE_Mac0");
  if (reader.problem !== undefined) return refuse("cose-format", reader.problem);
  const header = readProtected(protectedBytes);
  if (typeof header === "string") return refuse("cose-format", `protected header: ${header}`);
  if (tag.length !== tagBytes(header.algorithm)) {
    return refuse("cose-format", `the tag has ${tag.length} bytes, not ${tagBytes(header.algorithm)}`);
  }
  return accept({ ...header, protectedBytes, payload, tag });
}

type ProtectedHeader = Pick<Mac0, "algorithm" | "format" | "sensor" | "sequence">;

function readProtected(bytes: Uint8Array): ProtectedHeader | string {
  const reader = new CborReader(bytes);
  const pairs = reader.map("map", 3, 4);
  let algorithm: number | undefined;
  let format: number = FORMAT_SENML_CBOR;
  let sensor: string | undefined;
  let sequence: number | undefined;
  let previous = 0;
  for (let pair = 0; pair < pairs && reader.problem === undefined; pair++) {
    const label = reader.uint("label", LABEL_PARTIAL_IV);
    // Deterministic order, which also rules out duplicates (RFC 8949 §4.2.1).
    if (label <= previous) reader.fail("labels are not in ascending order");
    previous = label;
    if (label === LABEL_ALG) algorithm = reader.uint("algorithm");
    else if (label === LABEL_CONTENT_TYPE) format = reader.uint("content format", 0xffff);
    else if (label === LABEL_KID) sensor = readSensor(reader);
    else if (label === LABEL_PARTIAL_IV) sequence = readSequence(reader);
    else reader.fail(`label ${label} is not known`);
  }
  reader.end("map");
  if (reader.problem !== undefined) return reader.problem;
  if (algorithm !== ALG_HMAC_256_64 && algorithm !== ALG_HMAC_256_256) return `algorithm ${algorithm} is not 4 or 5`;
  if (format !== FORMAT_SENML_CBOR && format !== FORMAT_SENSML_CBOR)
    return `content format ${format} is not 112 or 113`;
  if (sensor === undefined) return "the key id is missing";
  if (sequence === undefined) return "the partial IV is missing";
  return { algorithm, format, sensor, sequence };
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
