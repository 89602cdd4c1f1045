import { access, constants, lstat, mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";

/** Names tried before giving up: so often nobody renames by hand. */
const NAMES_MAX = 1000;

/**
 * Renames what is damaged, so that it is kept for a person and in nobody's way: one small file must not keep a collector
 * down. Says so in an event `set-aside`; `goesOnWith` is what the collector does without it. Nothing is ever deleted or
 * replaced. When it cannot be renamed it stays where it is.
 */
export async function setAside(log: Log, path: string, why: unknown, goesOnWith: string): Promise<void> {
  let kept: string | null = null;
  try {
    kept = await freeName(path);
    await rename(path, kept);
    await syncDirectory(dirname(path));
  } catch (error) {
    log.error("set-aside-failed", { path, message: messageOf(error) });
    kept = null;
  }
  log.error("set-aside", { path, kept, message: messageOf(why), goesOnWith });
}

async function freeName(path: string): Promise<string> {
  for (let number = 1; number <= NAMES_MAX; number++) {
    const name = number === 1 ? `${path}.damaged` : `${path}.damaged-${number}`;
    if ((await lstat(name).catch(() => undefined)) === undefined) return name;
  }
  throw new Error(`${NAMES_MAX} damaged ones of it are kept already`);
}

/** Makes a directory of the collector's own; what else lies there under its name is set aside. Throws DATA_DIR_UNUSABLE. */
export async function ownDirectory(path: string, log: Log): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined && !found.isDirectory() && !found.isSymbolicLink()) {
    await setAside(log, path, new Error("It is no directory."), "an empty one");
  }
  await makeDirectory(path);
}

/** As `mkdir -p` with mode 0700. Throws DATA_DIR_UNUSABLE with what to do. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw dataDirProblem(path, error) ?? error;
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  EEXIST: "Something that is no directory has this name: move it away, or name another dataDir.",
  ENOTDIR: "Something that is no directory stands in its path: move it away, or name another dataDir.",
  ENOSPC: "The disk is full: make room on it.",
  EROFS: "Its file system is mounted read-only: look into the kernel's log for why, or name another dataDir.",
};

/** What the operating system refuses below `path`, as a person needs it; undefined for any other error. */
export function dataDirProblem(path: string, error: unknown): PaddockError | undefined {
  const { code, path: at, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof PaddockError || code === undefined || syscall === undefined || at === undefined)
    return undefined;
  if (at !== path && !at.startsWith(`${path}/`)) return undefined;
  return new PaddockError("DATA_DIR_UNUSABLE", `${at} cannot be used: ${messageOf(error)}.`, {
    cause: error,
    remedy:
      REMEDIES[code] ??
      `It belongs to the user who runs this, with all below it: install -d -m 700 -o USER ${path}, or chown -R USER ${path}.`,
  });
}
