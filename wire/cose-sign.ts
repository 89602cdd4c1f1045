import { sign, verify, type KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { HASH_BYTES, SIGNATURE_BYTES } from "./limits.ts";

/**
 * COSE_Sign1 (RFC 9052 §4.2), tagged 18, with an empty unprotected map and an embedded payload, signed with Ed25519.
 */

/** COSE algorithm numbers: EdDSA (RFC 9053 §2.2), which we emit, and Ed25519 (RFC 9864 §2.2), which we accept too. */
export const ALG_EDDSA = -8;
export const ALG_ED25519 = -19;
/** Common header labels (RFC 9052 §3.1). */
export const LABEL_ALG = 1;
export const LABEL_KID = 4;

const TAG_SIGN1 = 18;
const PROTECTED_BYTES_MAX = 400;
const NO_EXTERNAL_AAD = new Uint8Array(0);

/** The parts of a COSE_Sign1, as views into the encoded bytes. */
export interface Sign1 {
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** The Sig_structure of RFC 9052 §4.4: what is really signed. */
export function signatureInput(protectedBytes: Uint8Array, payload: Uint8Array): Buffer {
  return new CborWriter(protectedBytes.length + payload.length + 32)
    .array(4)
    .text("Signature1")
    .bytes(protectedBytes)
    .bytes(NO_EXTERNAL_AAD)
    .bytes(payload)
    .finish();
}

/** Signs and encodes. `protectedBytes` is an encoded map that names the algorithm and the key id. */
export function encodeSign1(privateKey: KeyObject, protectedBytes: Uint8Array, payload: Uint8Array): Buffer {
  const signature = sign(null, signatureInput(protectedBytes, payload), privateKey);
  return new CborWriter(protectedBytes.length + payload.length + SIGNATURE_BYTES + 16)
    .tag(TAG_SIGN1)
    .array(4)
    .bytes(protectedBytes)
    .map(0)
    .bytes(payload)
    .bytes(signature)
    .finish();
}

/** Takes a COSE_Sign1 apart without verifying it. `payloadMax` bounds the embedded payload, in bytes. */
export function decodeSign1(encoded: Uint8Array, payloadMax: number): Outcome<Sign1, "cose"> {
  const reader = new CborReader(encoded);
  reader.tag("COSE_Sign1", TAG_SIGN1);
  reader.array("COSE_Sign1", 4);
  const protectedBytes = reader.bytes("protected header", 1, PROTECTED_BYTES_MAX);
  reader.map("unprotected header", 0);
  const payload = reader.bytes("payload", 0, payloadMax);
  const signature = reader.bytes("signature", SIGNATURE_BYTES);
  reader.end("COSE_Sign1");
  if (reader.problem !== undefined) return refuse("cose", reader.problem);
  return accept({ protectedBytes, payload, signature });
}

export function verifySign1(parts: Sign1, publicKey: KeyObject): boolean {
  return verify(null, signatureInput(parts.protectedBytes, parts.payload), publicKey, parts.signature);
}

/** The protected header `{1: EdDSA, 4: kid}` of the messages that name nothing but their signer. */
export function writeSignerHeader(kid: Uint8Array): Buffer {
  return new CborWriter(64).map(2).int(LABEL_ALG).int(ALG_EDDSA).int(LABEL_KID).bytes(kid).finish();
}

/** The key id of a protected header that names algorithm and key id, nothing else. */
export function readSignerHeader(protectedBytes: Uint8Array): Outcome<Uint8Array, "cose"> {
  const reader = new CborReader(protectedBytes);
  reader.map("protected header", 2);
  if (reader.int("label") !== LABEL_ALG) reader.fail("label is not the algorithm's");
  const alg = reader.int("algorithm");
  if (alg !== ALG_EDDSA && alg !== ALG_ED25519) reader.fail(`algorithm ${alg} is not Ed25519`);
  if (reader.int("label") !== LABEL_KID) reader.fail("label is not the key id's");
  const kid = reader.bytes("key id", HASH_BYTES);
  reader.end("protected header");
  return reader.problem === undefined ? accept(kid) : refuse("cose", reader.problem);
}
