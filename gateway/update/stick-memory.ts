import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

const FILE = "stick.json";
/** The newest ones are kept. */
const DONE_MAX = 64;
const BYTES_MAX = 16 * 1024;

const doneSchema = v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(DONE_MAX));

/**
 * What sticks asked for and got on this device, the newest last: a stick is read-only, so it is the device that remembers. A damaged
 * file is set aside. Throws UPDATE_FAILED when it cannot be read.
 */
export async function doneBySticks(stateDir: string, tell: (line: string) => void): Promise<readonly string[]> {
  const path = join(stateDir, FILE);
  try {
    const content = await readFile(path, "utf8").catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "[]";
      throw error;
    });
    const read = content.length > BYTES_MAX ? undefined : v.safeParse(doneSchema, jsonOf(content));
    if (read?.success === true) return read.output;
    tell(`${path} is damaged; what it said is set aside as ${FILE}.damaged.`);
    await rename(path, `${path}.damaged`);
    return [];
  } catch (error) {
    throw failed(`${path} cannot be read`, error);
  }
}

/** Remembers durably that it is done. Throws UPDATE_FAILED. */
export async function rememberDone(stateDir: string, done: readonly string[], id: string): Promise<void> {
  const path = join(stateDir, FILE);
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o755 });
    const all = [...done.filter((one) => one !== id), id].slice(-DONE_MAX);
    await replaceFile(path, `${JSON.stringify(all)}\n`, 0o644);
  } catch (error) {
    throw failed(`${path} cannot be written`, error);
  }
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function failed(what: string, error: unknown): PaddockError {
  return new PaddockError("UPDATE_FAILED", `${what}: ${messageOf(error)}.`, {
    cause: error,
    remedy: "Look at the disk: it may be full or read-only.",
  });
}
