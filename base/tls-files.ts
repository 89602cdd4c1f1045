import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "./errors.ts";

/** PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads the certificate and the key that a configuration names at `field`, such as `tls`. Throws CONFIG_INVALID, naming
 * the key at fault.
 */
export async function readTlsFiles(
  field: string,
  files: { readonly cert: string; readonly key: string },
): Promise<TlsFiles> {
  const cert = await readNamed(`${field}.cert`, files.cert);
  const key = await readNamed(`${field}.key`, files.key);
  const certificate = parsed(`${field}.cert`, files.cert, "certificate in PEM", () => new X509Certificate(cert));
  const secret = parsed(`${field}.key`, files.key, "private key in PEM", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(secret)) {
    const message = `${field}.key: ${files.key} is not the key of the certificate in ${files.cert}.`;
    throw new PaddockError("CONFIG_INVALID", message, {
      remedy:
        "Name the key that the certificate was made for; in a file with a chain the own certificate stands first.",
    });
  }
  return { cert, key };
}

async function readNamed(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new PaddockError("CONFIG_INVALID", `${field}: ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Correct the path, or let the user who runs this read the file.",
    });
  }
}

/** The cause stays out: what OpenSSL says of a key file helps nobody. */
function parsed<Value>(field: string, path: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch {
    throw new PaddockError("CONFIG_INVALID", `${field}: ${path} has no ${what} that can be read.`, {
      remedy: "A key with a passphrase cannot be used: nobody is there to type it.",
    });
  }
}
