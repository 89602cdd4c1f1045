import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { PUBLIC_KEY_BYTES } from "./limits.ts";

/** The id of a gateway or collector: SHA-256 of its raw Ed25519 public key. */
export type PartyId = Uint8Array;

export interface SigningIdentity {
  /** SHA-256 of `publicKeyRaw`, 32 bytes. */
  readonly id: PartyId;
  /** Raw Ed25519 public key, 32 bytes (RFC 8032 §5.1.5). */
  readonly publicKeyRaw: Uint8Array;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** What precedes the 32 raw bytes in a SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export function partyId(publicKeyRaw: Uint8Array): PartyId {
  return createHash("sha256").update(publicKeyRaw).digest();
}

/** An Ed25519 public key from its 32 raw bytes. Any 32 bytes make a key object; a bad point fails to verify. */
export function publicKeyFromRaw(raw: Uint8Array): Outcome<KeyObject, "public-key"> {
  if (raw.length !== PUBLIC_KEY_BYTES) {
    return refuse("public-key", `An Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, not ${raw.length}.`);
  }
  try {
    return accept(createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" }));
  } catch (error) {
    return refuse("public-key", `These bytes are no Ed25519 public key: ${String(error)}`);
  }
}

/** The raw 32 bytes of an Ed25519 public key. Throws TypeError for a key of another kind. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const der = key.export({ format: "der", type: "spki" });
  if (key.asymmetricKeyType !== "ed25519" || der.length !== SPKI_PREFIX.length + PUBLIC_KEY_BYTES) {
    throw new TypeError(`not an Ed25519 key: ${key.asymmetricKeyType ?? key.type}`);
  }
  return der.subarray(SPKI_PREFIX.length);
}

/** A signing identity from a private Ed25519 key. Throws TypeError for a key of another kind. */
export function identityFromPrivateKey(privateKey: KeyObject): SigningIdentity {
  const publicKey = createPublicKey(privateKey);
  const publicKeyRaw = rawPublicKey(publicKey);
  return { id: partyId(publicKeyRaw), publicKeyRaw, publicKey, privateKey };
}

export function generateIdentity(): SigningIdentity {
  return identityFromPrivateKey(generateKeyPairSync("ed25519").privateKey);
}

/** PKCS#8 PEM of the private key, the form in which identities rest on disk. */
export function identityToPem(identity: SigningIdentity): string {
  return identity.privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

export function identityFromPem(pem: string): Outcome<SigningIdentity, "private-key"> {
  try {
    return accept(identityFromPrivateKey(createPrivateKey(pem)));
  } catch (error) {
    return refuse("private-key", `This is no Ed25519 private key in PKCS#8 PEM: ${String(error)}`);
  }
}
