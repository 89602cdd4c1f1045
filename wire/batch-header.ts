import { createHash, type KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { ALG_ED25519, ALG_EDDSA, decodeSign1, encodeSign1, LABEL_ALG, LABEL_KID, verifySign1 } from "./cose-sign.ts";
import type { SigningIdentity } from "./identity.ts";
import { isLane, type Lane } from "./lanes.ts";
import { HASH_BYTES, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX, RECORDS_MAX } from "./limits.ts";

/**
 * The header of a batch: a COSE_Sign1 over the SHA-256 of the payload (COSE Hash Envelope, RFC 9995) with the batch's
 * place in its chain in the protected header. docs/protocol.md §2 and wire.cddl are normative.
 */

/** How far the wall clock could be trusted when the batch was opened. */
export const CLOCK_UNSET = 0;
export const CLOCK_HOLDOVER = 1;
export const CLOCK_SYNCHRONISED = 2;
export type ClockQuality = 0 | 1 | 2;

export interface Position {
  readonly lane: Lane;
  /** Life of the chain; a new one starts only when continuity was lost. */
  readonly epoch: number;
  /** Place in the epoch, from 0. */
  readonly seq: number;
  /** SHA-256 of the previous encoded header; null only at seq 0 of epoch 0. */
  readonly previous: Uint8Array | null;
  /** Records in the payload. */
  readonly count: number;
  /** Bytes of the payload. */
  readonly size: number;
  /** Boots of the gateway's machine so far. */
  readonly boot: number;
  /** Microseconds of the monotonic clock in that boot; record offsets count from here. */
  readonly monotonic: number;
  /** Unix time in ms that the gateway believed at `monotonic`. */
  readonly wall: number;
  readonly clock: ClockQuality;
}

export interface BatchHeader {
  /** SHA-256 of the gateway's raw public key, 32 bytes. */
  readonly gateway: Uint8Array;
  readonly position: Position;
  /** SHA-256 of the payload bytes. */
  readonly payloadHash: Uint8Array;
}

export type HeaderProblem = "header-size" | "header-format";

/** COSE Hash Envelope labels (RFC 9995): hash algorithm, content format of the preimage. */
const LABEL_HASH_ALG = 258;
const LABEL_PREIMAGE_FORMAT = 259;
/** SHA-256 (RFC 9054 §2.1). */
const ALG_SHA256 = -16;
/** application/cbor-seq (RFC 8742 §6.3). */
const FORMAT_CBOR_SEQ = 63;
const LABEL_POSITION = "paddock";

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Signs and encodes the header of a batch whose payload hashes to `payloadHash`. */
export function sealHeader(identity: SigningIdentity, position: Position, payloadHash: Uint8Array): Buffer {
  return encodeSign1(identity.privateKey, encodeProtected(identity.id, position), payloadHash);
}

function encodeProtected(gateway: Uint8Array, position: Position): Buffer {
  const writer = new CborWriter(192)
    .map(5)
    .int(LABEL_ALG)
    .int(ALG_EDDSA)
    .int(LABEL_KID)
    .bytes(gateway)
    .int(LABEL_HASH_ALG)
    .int(ALG_SHA256)
    .int(LABEL_PREIMAGE_FORMAT)
    .int(FORMAT_CBOR_SEQ)
    .text(LABEL_POSITION)
    .array(10)
    .int(position.lane)
    .int(position.epoch)
    .int(position.seq);
  if (position.previous === null) writer.null();
  else writer.bytes(position.previous);
  return writer
    .int(position.count)
    .int(position.size)
    .int(position.boot)
    .int(position.monotonic)
    .int(position.wall)
    .int(position.clock)
    .finish();
}

/** Reads a header strictly; only the one encoding that `sealHeader` produces is accepted. Does not verify it. */
export function decodeHeader(encoded: Uint8Array): Outcome<BatchHeader, HeaderProblem> {
  if (encoded.length > HEADER_BYTES_MAX) {
    return refuse("header-size", `A header has ${encoded.length} bytes; at most ${HEADER_BYTES_MAX} are allowed.`);
  }
  const parts = decodeSign1(encoded, HASH_BYTES);
  if (!parts.ok) return refuse("header-format", parts.detail);
  if (parts.value.payload.length !== HASH_BYTES) return refuse("header-format", "the payload is no SHA-256 hash");
  const reader = new CborReader(parts.value.protectedBytes);
  reader.map("protected header", 5);
  expectInt(reader, "label", LABEL_ALG);
  const alg = reader.int("algorithm");
  if (alg !== ALG_EDDSA && alg !== ALG_ED25519) reader.fail(`algorithm ${alg} is not Ed25519`);
  expectInt(reader, "label", LABEL_KID);
  const gateway = reader.bytes("gateway", HASH_BYTES);
  expectInt(reader, "label", LABEL_HASH_ALG);
  expectInt(reader, "payload hash algorithm", ALG_SHA256);
  expectInt(reader, "label", LABEL_PREIMAGE_FORMAT);
  expectInt(reader, "preimage content format", FORMAT_CBOR_SEQ);
  if (reader.text("label", LABEL_POSITION.length) !== LABEL_POSITION) reader.fail("label is not the position's");
  const position = readPosition(reader);
  reader.end("protected header");
  if (reader.problem !== undefined) return refuse("header-format", reader.problem);
  return accept({ gateway, position, payloadHash: parts.value.payload });
}

function readPosition(reader: CborReader): Position {
  reader.array("position", 10);
  const lane = reader.uint("lane", 2);
  const epoch = reader.uint("epoch", 0xffff_ffff);
  const seq = reader.uint("seq");
  const previous = reader.takeNull() ? null : reader.bytes("previous", HASH_BYTES);
  if ((previous === null) !== (epoch === 0 && seq === 0)) {
    reader.fail("previous is null exactly at seq 0 of epoch 0");
  }
  const count = reader.uint("count", RECORDS_MAX);
  const size = reader.uint("size", PAYLOAD_BYTES_MAX);
  const boot = reader.uint("boot");
  const monotonic = reader.uint("monotonic");
  const wall = reader.int("wall");
  const clock = reader.uint("clock", CLOCK_SYNCHRONISED) as ClockQuality;
  return { lane: isLane(lane) ? lane : 0, epoch, seq, previous, count, size, boot, monotonic, wall, clock };
}

function expectInt(reader: CborReader, what: string, expected: number): void {
  const value = reader.int(what);
  if (value !== expected) reader.fail(`${what} is ${value}, not ${expected}`);
}

/** Whether the header's signature is by this key. The caller has decoded it and found the key by its gateway id. */
export function verifyHeader(encoded: Uint8Array, publicKey: KeyObject): boolean {
  const parts = decodeSign1(encoded, HASH_BYTES);
  return parts.ok && verifySign1(parts.value, publicKey);
}

/** The link that the next header carries: SHA-256 of the whole encoded header. */
export function headerHash(encoded: Uint8Array): Buffer {
  return sha256(encoded);
}
