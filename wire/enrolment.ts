import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { CborReader } from "./cbor-read.ts";
import { CborWriter } from "./cbor-write.ts";
import { decodeSign1, encodeSign1, readSignerHeader, verifySign1, writeSignerHeader } from "./cose-sign.ts";
import { partyId, publicKeyFromRaw, type PartyId, type SigningIdentity } from "./identity.ts";
import { CLAIM_BYTES_MAX, LABEL_BYTES_MAX, PUBLIC_KEY_BYTES } from "./limits.ts";

/** How a gateway asks a collector to be let in: its key, signed by that key. docs/protocol.md §3.3. */
export interface Enrolment {
  /** SHA-256 of `publicKeyRaw`. */
  readonly gateway: PartyId;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKeyRaw: Uint8Array;
  /** What the operator handed out beforehand; empty when nothing was. */
  readonly claim: string;
  /** A name for people. */
  readonly label: string;
  /** Unix ms that the gateway believed. */
  readonly wall: number;
}

export type EnrolmentProblem =
  | "enrolment-format"
  /** The id is not the key's, or the key did not sign. */
  | "enrolment-signature";

const BODY_BYTES_MAX = 16 + PUBLIC_KEY_BYTES + CLAIM_BYTES_MAX + LABEL_BYTES_MAX + 9;

/** Throws RangeError for a claim or label that is too long. */
export function signEnrolment(identity: SigningIdentity, request: Pick<Enrolment, "claim" | "label" | "wall">): Buffer {
  if (Buffer.byteLength(request.claim) > CLAIM_BYTES_MAX)
    throw new RangeError(`a claim above ${CLAIM_BYTES_MAX} bytes`);
  if (Buffer.byteLength(request.label) > LABEL_BYTES_MAX)
    throw new RangeError(`a label above ${LABEL_BYTES_MAX} bytes`);
  const body = new CborWriter()
    .array(4)
    .bytes(identity.publicKeyRaw)
    .text(request.claim)
    .text(request.label)
    .int(request.wall)
    .finish();
  return encodeSign1(identity.privateKey, writeSignerHeader(identity.id), body);
}

/** The gateway that a request says it is of, before anything of it is verified; undefined when it is none. */
export function claimedGateway(encoded: Uint8Array): PartyId | undefined {
  const parts = decodeSign1(encoded, BODY_BYTES_MAX);
  const signer = parts.ok ? readSignerHeader(parts.value.protectedBytes) : parts;
  return signer.ok ? signer.value : undefined;
}

/** Reads a request and verifies that the key inside it signed it and hashes to the id in its header. */
export function openEnrolment(encoded: Uint8Array): Outcome<Enrolment, EnrolmentProblem> {
  const parts = decodeSign1(encoded, BODY_BYTES_MAX);
  if (!parts.ok) return refuse("enrolment-format", parts.detail);
  const signer = readSignerHeader(parts.value.protectedBytes);
  if (!signer.ok) return refuse("enrolment-format", signer.detail);
  const reader = new CborReader(parts.value.payload);
  reader.array("enrolment", 4);
  const publicKeyRaw = reader.bytes("public key", PUBLIC_KEY_BYTES);
  const claim = reader.text("claim", CLAIM_BYTES_MAX);
  const label = reader.text("label", LABEL_BYTES_MAX);
  const wall = reader.int("wall");
  reader.end("enrolment");
  if (reader.problem !== undefined) return refuse("enrolment-format", reader.problem);
  const gateway = partyId(publicKeyRaw);
  if (!Buffer.from(gateway).equals(signer.value)) {
    return refuse("enrolment-signature", "The gateway id is not the SHA-256 of the public key.");
  }
  const key = publicKeyFromRaw(publicKeyRaw);
  if (!key.ok || !verifySign1(parts.value, key.value)) {
    return refuse("enrolment-signature", "The request is not signed by the key that it names.");
  }
  return accept({ gateway, publicKeyRaw, claim, label, wall });
}
