import { createPrivateKey, sign } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { htmlOf } from "./html.ts";
import type { Report } from "./judge.ts";

/**
 * Writes conformance.json, conformance.html and, with a key (PEM, Ed25519), conformance.json.sig: 64 bytes over the JSON file
 * (RFC 8032), for `openssl pkeyutl -verify -rawin`.
 */
export async function writeReport(report: Report, out: string, key: string | undefined): Promise<void> {
  await mkdir(out, { recursive: true });
  const json = `${JSON.stringify(report, null, 2)}\n`;
  await writeFile(join(out, "conformance.json"), json);
  await writeFile(join(out, "conformance.html"), htmlOf(report));
  const signature = join(out, "conformance.json.sig");
  if (key === undefined) await rm(signature, { force: true });
  else await writeFile(signature, sign(null, Buffer.from(json), createPrivateKey(await readFile(key))));
}
