import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { generateIdentity, identityFromPem, identityToPem, type SigningIdentity } from "@paddock/wire/identity.ts";
import { replaceFile } from "@paddock/base/durable-file.ts";

const FILE_NAME = "identity.pem";

/**
 * The collector's identity from its data directory; made on the first call. Throws IDENTITY_UNREADABLE when the file is
 * damaged or when its mode lets others read it: a key that others could read proves nothing.
 */
export async function loadIdentity(dataDir: string): Promise<SigningIdentity> {
  const path = join(dataDir, FILE_NAME);
  const pem = await readPrivate(path);
  if (pem === undefined) {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const identity = generateIdentity();
    await replaceFile(path, identityToPem(identity));
    return identity;
  }
  const identity = identityFromPem(pem);
  if (!identity.ok) throw new PaddockError("IDENTITY_UNREADABLE", `${path}: ${identity.detail}`);
  return identity.value;
}

async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8);
      throw new PaddockError("IDENTITY_UNREADABLE", `${path} has mode ${octal}, so others can read it; chmod 600 it.`);
    }
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof PaddockError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new PaddockError("IDENTITY_UNREADABLE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}
