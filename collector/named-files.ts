import { createPrivateKey, X509Certificate } from "node:crypto";
import { lstat, readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { CollectorConfig } from "./config.ts";

/** PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Reads the certificate and the key that a configuration names. Throws CONFIG_INVALID, naming the key at fault. */
export async function readTlsFiles(tls: NonNullable<CollectorConfig["tls"]>): Promise<TlsFiles> {
  const cert = await readNamed("tls.cert", tls.cert);
  const key = await readNamed("tls.key", tls.key);
  const certificate = parsed("tls.cert", tls.cert, "certificate in PEM", () => new X509Certificate(cert));
  const secret = parsed("tls.key", tls.key, "private key in PEM", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(secret)) {
    throw new PaddockError("CONFIG_INVALID", `tls.key: ${tls.key} is not the key of the certificate in ${tls.cert}.`, {
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
      remedy: "Correct the path, or let the user who runs the collector read the file.",
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

/**
 * Looks at what a configuration names as a start would, and changes nothing: the TLS files, and what lies at dataDir.
 * Resolves with what is wrong; empty when all is well.
 */
export async function problemsOfNamedFiles({ tls, dataDir }: CollectorConfig): Promise<PaddockError[]> {
  const checks: Promise<unknown>[] = [assertDirectoryOrNothing(dataDir)];
  if (tls !== null) checks.push(readTlsFiles(tls));
  const problems: PaddockError[] = [];
  for (const outcome of await Promise.allSettled(checks)) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof PaddockError)) throw outcome.reason;
    problems.push(outcome.reason);
  }
  return problems;
}

async function assertDirectoryOrNothing(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    if (found.isDirectory() || found.isSymbolicLink()) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new PaddockError("DATA_DIR_UNUSABLE", `dataDir: ${path}: ${messageOf(error)}.`, { cause: error });
  }
  throw new PaddockError("DATA_DIR_UNUSABLE", `dataDir: ${path} is no directory.`, {
    remedy: "Move it away, or name another dataDir.",
  });
}
