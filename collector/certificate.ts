import { createHash, sign } from "node:crypto";
import type { SigningIdentity } from "@paddock/wire/identity.ts";

/**
 * A self-signed X.509 certificate (RFC 5280 §4.1) over the collector's own Ed25519 key, as PEM. Gateways pin the key, so
 * the names and dates in it decide nothing: it is valid from 2000 to the end of time (9999-12-31, RFC 5280 §4.1.2.5)
 * because a gateway may have no clock. The same identity always gives the same bytes.
 */
export function selfSignedCertificate(identity: SigningIdentity): string {
  const algorithm = sequence(oid("2b6570"));
  const name = sequence(set(sequence(oid("550403"), element(0x0c, Buffer.from("paddock-collector")))));
  const validity = sequence(element(0x17, Buffer.from("000101000000Z")), element(0x18, Buffer.from("99991231235959Z")));
  const publicKey = identity.publicKey.export({ format: "der", type: "spki" });
  const keyId = createHash("sha1").update(identity.publicKeyRaw).digest();
  const extensions = sequence(
    extension("551d13", true, sequence(element(0x01, Buffer.of(0xff)))),
    extension("551d0e", false, element(0x04, keyId)),
  );
  const body = sequence(
    element(0xa0, element(0x02, Buffer.of(2))),
    element(0x02, serialNumber(identity.id)),
    algorithm,
    name,
    validity,
    name,
    publicKey,
    element(0xa3, extensions),
  );
  const signature = sign(null, body, identity.privateKey);
  const der = sequence(body, algorithm, element(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = der
    .toString("base64")
    .replaceAll(/(.{64})/gu, "$1\n")
    .trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** 16 bytes of the id; the top bits make it positive and free of leading zeros (RFC 5280 §4.1.2.2). */
function serialNumber(id: Uint8Array): Buffer {
  const serial = Buffer.from(id.subarray(0, 16));
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [element(0x01, Buffer.of(0xff))] : [];
  return sequence(oid(id), ...flag, element(0x04, value));
}

/** One DER element (X.690 §8.1): tag, length in its shortest form, content. */
function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  let head: number[];
  if (length < 0x80) head = [length];
  else if (length < 0x100) head = [0x81, length];
  else head = [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}

function sequence(...items: readonly Uint8Array[]): Buffer {
  return element(0x30, Buffer.concat(items));
}

function set(...items: readonly Uint8Array[]): Buffer {
  return element(0x31, Buffer.concat(items));
}

/** An object identifier from the hex of its encoded content. */
function oid(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, "hex"));
}
