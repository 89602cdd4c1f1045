import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { selfSignedCertificate } from "./certificate.ts";

describe("the certificate over the identity key", () => {
  test("carries that key and is signed by it", () => {
    const identity = generateIdentity();
    const certificate = new X509Certificate(selfSignedCertificate(identity));
    expect(certificate.publicKey.equals(identity.publicKey)).toBe(true);
    expect(certificate.verify(identity.publicKey)).toBe(true);
    expect(certificate.verify(generateIdentity().publicKey)).toBe(false);
  });

  test("is valid whatever the clock says", () => {
    const certificate = new X509Certificate(selfSignedCertificate(generateIdentity()));
    expect(certificate.validFromDate.getUTCFullYear()).toBe(2000);
    expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
    expect(certificate.ca).toBe(true);
  });

  test("is the same each time, so that a restart shows the same certificate", () => {
    const identity = generateIdentity();
    expect(selfSignedCertificate(identity)).toBe(selfSignedCertificate(identity));
  });
});
