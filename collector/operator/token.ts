import { randomBytes } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import { setAside } from "../set-aside.ts";

const TOKEN = /^[0-9a-f]{64}$/u;

/** Where the token for the operator's loopback listener rests. */
export function tokenFile(dataDir: string): string {
  return join(dataDir, "operator-token");
}

/**
 * What whoever comes over TCP has to show: any user of this machine can open that port, only the owner can read this
 * file. Made at the first start that needs it; one that is damaged is set aside and made again.
 */
export async function loadToken(dataDir: string, log: Log): Promise<string> {
  const path = tokenFile(dataDir);
  try {
    const token = (await readFile(path, "utf8")).trim();
    if (TOKEN.test(token)) {
      await chmod(path, 0o600);
      return token;
    }
    await setAside(log, path, new Error("It is no token of 64 hex digits."), "a new token");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") await setAside(log, path, error, "a new token");
  }
  const token = randomBytes(32).toString("hex");
  await replaceFile(path, `${token}\n`);
  return token;
}
