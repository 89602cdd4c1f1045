import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { createFile } from "@paddock/base/durable-file.ts";
import { generateIdentity, identityFromPem, identityToPem, type SigningIdentity } from "./identity.ts";

/** Only the owner may read the key. */
const KEY_MODE = 0o600;
const OTHERS_MASK = 0o077;
/** Bytes; a PKCS#8 PEM of an Ed25519 key has 119. */
const KEY_FILE_BYTES_MAX = 4096;

/** Where the identity key of a gateway or collector rests, unless its configuration names another place. */
export function defaultKeyFile(dataDir: string): string {
  return join(dataDir, "identity.pem");
}

export interface IdentityOptions {
  readonly dataDir: string;
  /** An injected key: it has to be there. Null or absent: made in `dataDir` at the first start. */
  readonly keyFile?: string | null;
  /** False when the store holds chains already: a missing key is then a loss to be noticed. Default true. */
  readonly mayCreate?: boolean;
}

/**
 * The identity of this gateway or collector; made at the first start. Throws IDENTITY_UNREADABLE when the file is damaged or readable
 * by others, CONFIG_UNREADABLE when an injected file is missing, and never replaces a file that is there.
 */
export async function loadOrCreateIdentity(
  options: IdentityOptions,
): Promise<{ identity: SigningIdentity; created: boolean }> {
  if (typeof options.keyFile === "string") {
    return { identity: await readInjectedIdentity(options.keyFile), created: false };
  }
  const path = defaultKeyFile(options.dataDir);
  const stored = await readIdentity(path);
  if (stored !== undefined) return { identity: stored, created: false };
  if (options.mayCreate === false) {
    throw new PaddockError(
      "IDENTITY_MISMATCH",
      `${path} does not exist, but the store beside it holds chains already.`,
    );
  }
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const identity = generateIdentity();
  let created: boolean;
  try {
    created = await createFile(path, identityToPem(identity), KEY_MODE);
  } catch (error) {
    throw new PaddockError("IDENTITY_UNREADABLE", `${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
  // Whoever was faster may have shown its id already.
  const kept = created ? identity : await readIdentity(path);
  if (kept === undefined) throw new PaddockError("IDENTITY_UNREADABLE", `${path} was there and is gone.`);
  return { identity: kept, created };
}

/** The key that `identity.keyFile` names. Throws CONFIG_UNREADABLE when it is not there, else IDENTITY_UNREADABLE. */
export async function readInjectedIdentity(path: string): Promise<SigningIdentity> {
  const identity = await readIdentity(path);
  if (identity !== undefined) return identity;
  throw new PaddockError("CONFIG_UNREADABLE", `identity.keyFile: ${path} does not exist.`, {
    remedy: "Put the key there, or correct identity.keyFile; without it a key is made in dataDir at the first start.",
  });
}

/** The identity in the file, or undefined when there is no such file. Throws IDENTITY_UNREADABLE otherwise. */
export async function readIdentity(path: string): Promise<SigningIdentity | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new PaddockError("IDENTITY_UNREADABLE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS_MASK) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw new PaddockError("IDENTITY_UNREADABLE", `${path} has mode ${octal}: group or others can read the key.`, {
        remedy: `chmod 600 ${path}; whoever could read it may have a copy.`,
      });
    }
    if (size > KEY_FILE_BYTES_MAX)
      throw new PaddockError("IDENTITY_UNREADABLE", `${path} has ${size} bytes: no key file.`);
    const identity = identityFromPem(await file.readFile("utf8"));
    if (!identity.ok) throw new PaddockError("IDENTITY_UNREADABLE", `${path}: ${identity.detail}`);
    return identity.value;
  } catch (error) {
    if (error instanceof PaddockError) throw error;
    throw new PaddockError("IDENTITY_UNREADABLE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  } finally {
    await file.close();
  }
}
