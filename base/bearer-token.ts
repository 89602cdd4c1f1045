import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "./errors.ts";

/** What an Authorization header can carry (RFC 6750 §2.1) and nobody guesses. */
const TOKEN = /^[\w.~+/-]{16,4096}=*$/u;

/** Whether an Authorization header (RFC 6750 §2.1) shows the token. Takes the same time whatever is shown. */
export function showsToken(authorization: string | undefined, token: string): boolean {
  const shown = /^bearer +([\w.~+/=-]+) *$/iu.exec(authorization ?? "")?.[1];
  // Hashed, so that both have one length.
  return shown !== undefined && timingSafeEqual(sha256(shown), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * The token in a file that a configuration names at `field`, without the line's end. Throws CONFIG_INVALID, which never
 * says what stands in the file.
 */
export async function readTokenFile(field: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new PaddockError("CONFIG_INVALID", `${field}: ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: `Correct the path, or let the user who runs this read the file. To make one: openssl rand -hex 32 > ${path}`,
    });
  }
  const token = text.replace(/\r?\n$/u, "");
  if (TOKEN.test(token)) return token;
  throw new PaddockError(
    "CONFIG_INVALID",
    `${field}: ${path} has no token: one line of 16 to 4096 letters, digits and - . _ ~ + / with = at the end only.`,
    { remedy: `Make one: openssl rand -hex 32 > ${path}` },
  );
}
