import { cp, link, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { tableNumber, tablesNamed } from "./manifest.ts";

export interface Copy {
  readonly directory: string;
  /** Tables of the original that its MANIFEST does not name, which the copy is without. */
  readonly orphans: readonly string[];
  /** Takes the copy away. */
  remove(): Promise<void>;
}

/**
 * A copy of a LevelDB directory, at a path that begins with `prefix`, that may be opened, which always writes, without
 * changing the original. The tables that the MANIFEST names are never changed once written, so they are linked; any
 * other would be written over under its number, through the link. The lock is linked, too: by it LevelDB sees that
 * another process has the original open. Where links do not work, all is copied.
 */
export async function privateCopy(directory: string, prefix: string): Promise<Copy> {
  const copy = await mkdtemp(prefix).catch(() => mkdtemp(join(tmpdir(), "paddock-store-")));
  const remove = (): Promise<void> => rm(copy, { recursive: true, force: true });
  try {
    const named = await tablesNamed(directory);
    const orphans: string[] = [];
    for (const name of await filesIn(directory)) {
      if (isLevelLog(name)) continue;
      const [from, to] = [join(directory, name), join(copy, name)];
      const number = tableNumber(name);
      if (number !== undefined && named !== undefined && !named.has(number)) orphans.push(name);
      else if (name === "LOCK" || (number !== undefined && named !== undefined)) await linkOrCopy(from, to);
      else await cp(from, to);
    }
    return { directory: copy, orphans, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => cp(from, to));
}

/** Takes away the copies at paths that begin with `prefix`, which a killed process left. */
export async function removeCopies(prefix: string): Promise<void> {
  for (const name of await filesIn(dirname(prefix))) {
    if (name.startsWith(basename(prefix))) await rm(join(dirname(prefix), name), { recursive: true, force: true });
  }
}

/** Names in a directory; none when it does not exist. */
export async function filesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
}

/** LevelDB's notes of what it did. */
function isLevelLog(name: string): boolean {
  return name === "LOG" || name === "LOG.old";
}

/** Whether a file of a LevelDB directory holds data. */
export function isData(name: string): boolean {
  return name !== "LOCK" && !isLevelLog(name);
}
