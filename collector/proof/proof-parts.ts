import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { publicKeyFromRaw } from "@paddock/wire/identity.ts";
import { decodeProof } from "@paddock/wire/proof.ts";
import { decodeRecords } from "@paddock/wire/record.ts";

/**
 * Writes the parts of a proof file one by one, so that `openssl` and `sha256sum` can check them (docs/proof.md):
 * `header-000.cose` onward, `payload.cborseq`, `frame.bin`, `receipt.cose`, and both public keys as PEM. Returns the
 * paths. Nothing is verified here. Throws PROOF_INVALID when it is no proof file.
 */
export async function writeProofParts(proofFile: Uint8Array, directory: string): Promise<string[]> {
  const decoded = decodeProof(proofFile);
  if (!decoded.ok) throw new PaddockError("PROOF_INVALID", decoded.detail);
  const proof = decoded.value;
  const records = decodeRecords(proof.payload);
  const frame = records.ok ? records.value[proof.index]?.frame : undefined;
  if (frame === undefined) throw new PaddockError("PROOF_INVALID", `The payload has no record ${proof.index}.`);
  // As wide as the last one needs, so that the names sort in the order of the chain.
  const width = Math.max(3, String(proof.headers.length - 1).length);
  const parts: [name: string, content: string | Uint8Array][] = [
    ...proof.headers.map((header, at): [string, Uint8Array] => [
      `header-${String(at).padStart(width, "0")}.cose`,
      header,
    ]),
    ["payload.cborseq", proof.payload],
    ["frame.bin", frame],
    ["receipt.cose", proof.receipt],
    ["gateway.pem", publicKeyPem(proof.gatewayKey)],
    ["collector.pem", publicKeyPem(proof.collectorKey)],
  ];
  const written: string[] = [];
  for (const [name, content] of parts) {
    const path = join(directory, name);
    await writeFile(path, content);
    written.push(path);
  }
  return written;
}

function publicKeyPem(raw: Uint8Array): string {
  const key = publicKeyFromRaw(raw);
  if (!key.ok) throw new PaddockError("PROOF_INVALID", key.detail);
  return key.value.export({ format: "pem", type: "spki" }).toString();
}
