import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { levelDatabase, openDatabase, OUT_OF_ROOM_REMEDY, type KeyValueDatabase } from "./database.ts";
import { FORMAT_VERSION, KEY_SPACES, spaceKey } from "./keyspace.ts";
import { tableNumber, tablesNamed } from "./manifest.ts";
import { notIn } from "./orphans.ts";
import { filesIn, isData, privateCopy, removeCopies } from "./private-copy.ts";

/** Directories of what was set aside before a start went over it. */
const KEPT_MAX = 8;

/**
 * Sees to it that opening the LevelDB in a directory destroys nothing, or makes a new one there when there is none.
 * LevelDB itself deletes every table that its MANIFEST does not name, and begins anew where CURRENT is missing. Where the
 * directory is not as `unchanged` says it was left, what opening goes over is set aside first: settle what is returned
 * once it is open. Throws PaddockError STORE_LOCKED, STORE_DAMAGED, STORE_READ_FAILED, or DATA_DIR_UNUSABLE when there is
 * no room or right to do so, with every byte still there. `copy`: what sets a file aside, the seam for full disks in tests.
 */
export async function prepareGeneration(
  generation: string,
  unchanged: Uint8Array | undefined,
  copy: CopyFile = cp,
): Promise<SetAside | undefined> {
  try {
    return await prepare(generation, unchanged, copy);
  } catch (error) {
    throw refusedByDisk(generation, error) ?? error;
  }
}

/** What the operating system refuses, as an error of our own. */
function refusedByDisk(generation: string, cause: unknown): PaddockError | undefined {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (cause instanceof PaddockError || code === undefined || syscall === undefined) return undefined;
  const detail = `The store in ${generation} cannot be made ready to open: ${messageOf(cause)}; nothing of it was changed.`;
  return new PaddockError("DATA_DIR_UNUSABLE", detail, {
    cause,
    remedy: OUT_OF_ROOM.has(code) ? OUT_OF_ROOM_REMEDY : undefined,
  });
}

const OUT_OF_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

type CopyFile = (from: string, to: string) => Promise<void>;

async function prepare(
  generation: string,
  unchanged: Uint8Array | undefined,
  copy: CopyFile,
): Promise<SetAside | undefined> {
  const data = (await filesIn(generation)).filter(isData);
  if (data.length === 0) {
    await makeGeneration(generation);
    return undefined;
  }
  if (!data.includes("CURRENT")) {
    throw new PaddockError(
      "STORE_DAMAGED",
      `${generation} holds ${data.length} files of a store but no CURRENT, which names them; nothing was changed.`,
    );
  }
  if (unchanged !== undefined && Buffer.compare(await listing(generation), unchanged) === 0) return undefined;
  await removeCopies(trialPrefix(generation));
  if (!(await namesAllTables(generation, data))) {
    const trial = await openTrial(generation, trialPrefix(generation));
    await trial.close();
  }
  return setAside(generation, data, copy);
}

function trialPrefix(generation: string): string {
  return `${generation}.trial-`;
}

async function namesAllTables(generation: string, data: readonly string[]): Promise<boolean> {
  const named = await tablesNamed(generation);
  const present = new Set(data.map(tableNumber).filter((number) => number !== undefined));
  return named !== undefined && named.size === present.size && [...present].every((number) => named.has(number));
}

/**
 * SHA-256 over what is in a directory: of tables name and size, of the rest, a few MiB, every byte. Equal while nobody
 * has opened or changed it.
 */
export async function listing(generation: string): Promise<Buffer> {
  const hash = createHash("sha256");
  for (const name of (await filesIn(generation)).toSorted()) {
    if (!isData(name)) continue;
    const path = join(generation, name);
    hash.update(`${name} ${(await stat(path)).size}\n`);
    if (tableNumber(name) === undefined) hash.update(await readFile(path));
  }
  return hash.digest();
}

/**
 * Makes the store under another name, syncs it and puts it in place: a power cut before the rename leaves nothing that
 * counts, one after it a whole store.
 */
async function makeGeneration(generation: string): Promise<void> {
  const temporary = `${generation}.new`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  const database = levelDatabase(temporary);
  await openDatabase(database, generation);
  const format = { type: "put", key: spaceKey(KEY_SPACES.format), value: Uint8Array.of(FORMAT_VERSION) } as const;
  await database.batch([format], { sync: true });
  await database.close();
  for (const name of await filesIn(temporary)) await syncFile(join(temporary, name));
  await syncDirectory(temporary);
  // At most LevelDB's own log and lock.
  await rm(generation, { recursive: true, force: true });
  await rename(temporary, generation);
  await syncDirectory(dirname(generation));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Opens a copy, at a path that begins with `prefix`. Throws PaddockError STORE_DAMAGED when the original has tables that
 * opening it would delete and that hold what nothing else does.
 */
export async function openTrial(
  generation: string,
  prefix: string,
): Promise<{ readonly database: KeyValueDatabase; readonly directory: string; close(): Promise<void> }> {
  const copy = await privateCopy(generation, prefix);
  // A store that never was is looked at as an empty one.
  const createIfMissing = (await filesIn(copy.directory)).length === 0;
  const database = levelDatabase(copy.directory, { createIfMissing });
  const close = async (): Promise<void> => {
    await database.close();
    await copy.remove();
  };
  try {
    await openDatabase(database, generation);
    const { orphans, directory } = copy;
    const lost = orphans.length === 0 ? undefined : await notIn(database, generation, orphans, directory);
    if (lost === undefined) return { database, directory, close };
    throw new PaddockError(
      "STORE_DAMAGED",
      `The MANIFEST in ${generation} does not name ${orphans.length} tables that hold ${lost}; it is older than they are. ` +
        "Opening would delete them; nothing was changed.",
    );
  } catch (error) {
    await close();
    throw error;
  }
}

/** Copies of the files that opening goes over: they may hold more than LevelDB can read of them. */
export interface SetAside {
  /** LevelDB is open: keeps them, bounded, when it said that it left something out. */
  settle(keep: boolean): Promise<void>;
}

async function setAside(generation: string, data: readonly string[], copy: CopyFile): Promise<SetAside> {
  const directory = await mkdtemp(trialPrefix(generation));
  try {
    for (const name of data) {
      if (tableNumber(name) === undefined) await copy(join(generation, name), join(directory, name));
    }
  } catch (error) {
    // On a full disk half of a copy only takes room.
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    async settle(keep) {
      const prefix = `${basename(generation)}.kept-`;
      const kept = (await filesIn(dirname(generation))).filter((name) => name.startsWith(prefix));
      if (!keep || kept.length >= KEPT_MAX) return rm(directory, { recursive: true, force: true });
      await rename(directory, join(dirname(generation), prefix + basename(directory).slice(-6)));
      await syncDirectory(dirname(generation));
    },
  };
}

/** Lines in which LevelDB says that it left something out, in the log of its last opening. */
export async function complaints(generation: string): Promise<readonly string[]> {
  const log = await readFile(join(generation, "LOG"), "utf8").catch(() => "");
  return log.split("\n").filter((line) => /corruption|dropping|ignoring error/i.test(line));
}

/** Makes a store's directory, durably and for its owner alone: LevelDB's files are readable by all. */
export async function makeDirectory(directory: string): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700).catch(() => {});
  if (made === undefined) return;
  for (let path = directory; path.length >= made.length; path = dirname(path)) await syncDirectory(dirname(path));
}
