import type { KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { decodeSign1, encodeSign1, readSignerHeader, verifySign1, writeSignerHeader, type Sign1 } from "./cose-sign.ts";
import type { SigningIdentity } from "./identity.ts";
import { CHALLENGE_BYTES_MAX, HASH_BYTES } from "./limits.ts";

/** How a gateway shows a collector that it has its key, before it hands in anything. docs/protocol.md §3.5. */
export interface KeyProof {
  /** 32 bytes; also the kid. */
  readonly gateway: Uint8Array;
  /** Id of the collector that it is meant for, so that another collector cannot use it there. */
  readonly collector: Uint8Array;
  /** What the collector gave, 1 to 64 bytes. */
  readonly challenge: Uint8Array;
}

/** Keeps the signed bytes apart from everything else that a gateway's key signs. */
const MARK = "paddock-key-proof";
const BODY_BYTES_MAX = 1 + 1 + MARK.length + 2 + HASH_BYTES + 2 + CHALLENGE_BYTES_MAX;

/** Throws RangeError for a challenge of another length. */
export function signKeyProof(identity: SigningIdentity, collector: Uint8Array, challenge: Uint8Array): Buffer {
  if (challenge.length === 0 || challenge.length > CHALLENGE_BYTES_MAX) {
    throw new RangeError(`a challenge of ${challenge.length} bytes`);
  }
  const body = new CborWriter().array(3).text(MARK).bytes(collector).bytes(challenge).finish();
  return encodeSign1(identity.privateKey, writeSignerHeader(identity.id), body);
}

/** Reads a proof without verifying it: whose key it is meant to be by comes first. */
export function decodeKeyProof(encoded: Uint8Array): Outcome<KeyProof & { readonly parts: Sign1 }, "key-proof-format"> {
  const parts = decodeSign1(encoded, BODY_BYTES_MAX);
  if (!parts.ok) return refuse("key-proof-format", parts.detail);
  const signer = readSignerHeader(parts.value.protectedBytes);
  if (!signer.ok) return refuse("key-proof-format", signer.detail);
  const reader = new CborReader(parts.value.payload);
  reader.array("key proof", 3);
  if (reader.text("mark", MARK.length) !== MARK) reader.fail("this is no proof of a key");
  const collector = reader.bytes("collector", HASH_BYTES);
  const challenge = reader.bytes("challenge", 1, CHALLENGE_BYTES_MAX);
  reader.end("key proof");
  if (reader.problem !== undefined) return refuse("key-proof-format", reader.problem);
  return accept({ gateway: signer.value, collector, challenge, parts: parts.value });
}

/** Reads a proof and verifies that `publicKey` signed it. */
export function openKeyProof(
  encoded: Uint8Array,
  publicKey: KeyObject,
): Outcome<KeyProof, "key-proof-format" | "key-proof-signature"> {
  const decoded = decodeKeyProof(encoded);
  if (!decoded.ok) return decoded;
  const { parts, ...proof } = decoded.value;
  if (!verifySign1(parts, publicKey)) return refuse("key-proof-signature", "The proof is not signed by that key.");
  return accept(proof);
}
