import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "./errors.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The PEM file that a configuration names at `field`, such as `collector.ca`, whole. Throws CONFIG_UNREADABLE when it cannot be read, CONFIG_INVALID when it
 * has no certificate or one that does not parse: TLS would take such a file and then trust nobody.
 */
export async function readAuthorities(field: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new PaddockError("CONFIG_UNREADABLE", `${field}: ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: `Check that the file which ${field} names is there and readable.`,
    });
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  try {
    const parsed = certificates.map((certificate) => new X509Certificate(certificate));
    if (parsed.length === 0) throw new Error("it has no PEM certificate");
  } catch (error) {
    throw new PaddockError("CONFIG_INVALID", `${field}: ${path} cannot be used: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Write the certificates of the authorities that sign the other side's certificate into it, as PEM.",
    });
  }
  return text;
}
