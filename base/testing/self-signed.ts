import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";

/** PEM of a key and a certificate for it. */
export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

/** 1.3.101.112, id-Ed25519 (RFC 8410 §3), 2.5.29.17, subjectAltName, and 2.5.4.3, commonName. */
const ED25519 = sequence(der(0x06, Buffer.from([0x2b, 0x65, 0x70])));
const ALTERNATIVE_NAME = der(0x06, Buffer.from([0x55, 0x1d, 0x11]));
const COMMON_NAME = der(0x06, Buffer.from([0x55, 0x04, 0x03]));

/** A pair of Ed25519 keys. */
interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A self-signed X.509 certificate (RFC 5280) for ::1 that carries an Ed25519 key, of its own unless given; for tests only. */
export function selfSigned(
  { publicKey, privateKey }: KeyPair = generateKeyPairSync("ed25519"),
  commonName = "paddock test",
): TlsIdentity {
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
  const validity = sequence(utcTime("200101000000Z"), utcTime("491231235959Z"));
  const spki = publicKey.export({ format: "der", type: "spki" });
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  // Subject alternative name: the address ::1, so that name checks pass as well.
  const loopback = sequence(der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])])));
  const extensions = der(0xa3, sequence(sequence(ALTERNATIVE_NAME, der(0x04, loopback))));
  const serial = der(0x02, Buffer.from([1]));
  const body = sequence(version, serial, ED25519, name, validity, name, spki, extensions);
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign(null, body, privateKey)]));
  const base64 = sequence(body, ED25519, signature).toString("base64").replaceAll(/.{64}/g, "$&\n");
  return {
    key: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function sequence(...items: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(items));
}

function utcTime(text: string): Buffer {
  return der(0x17, Buffer.from(text));
}
