import { cp, link, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/**
 * A copy of a LevelDB directory that may be opened, which always writes, without changing the original. Tables are never
 * changed once written, so they are linked; so is the lock, by which LevelDB sees that another process has the original
 * open. `remove` takes the copy away.
 */
export async function privateCopy(directory: string): Promise<{ readonly directory: string; remove(): Promise<void> }> {
  const parent = dirname(directory);
  // Beside the store, where links work; a store on a disk that takes no writes is copied whole.
  const copy = await mkdtemp(join(dirname(parent), `${basename(parent)}.copy-`)).catch(() =>
    mkdtemp(join(tmpdir(), "paddock-store-")),
  );
  const remove = (): Promise<void> => rm(copy, { recursive: true, force: true });
  try {
    for (const name of await filesIn(directory)) {
      const [from, to] = [join(directory, name), join(copy, name)];
      if (!isTable(name) && name !== "LOCK") await cp(from, to);
      else await link(from, to).catch(() => cp(from, to));
    }
    return { directory: copy, remove };
  } catch (error) {
    await remove();
    throw error;
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

export function isTable(name: string): boolean {
  return name.endsWith(".ldb") || name.endsWith(".sst");
}
