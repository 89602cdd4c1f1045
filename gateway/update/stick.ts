import { createHash } from "node:crypto";
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { applyRelease, type ApplyOptions } from "./apply.ts";
import { architecture, releaseKeys, type DevicePaths } from "./device.ts";
import { rollBack } from "./go-back.ts";
import { openRelease } from "./release-source.ts";
import { STICK_ID } from "./state.ts";
import { doneBySticks, rememberDone } from "./stick-memory.ts";
import { wishOf } from "./stick-wish.ts";

export interface StickOptions extends Pick<ApplyOptions, "paths" | "lastReceiptS" | "tell" | "progress" | "now"> {
  /** Where the stick is mounted, read-only. */
  readonly folder: string;
}

/** What came of a stick, in words, and whether this machine is to be started anew for it. */
export interface StickEnd {
  readonly text: string;
  readonly restart: boolean;
}

/** Names that are looked at: a stick is a stranger's. */
const NAMES_MAX = 1000;
const ID_HEX = 32;

/**
 * Does what a stick asks for, once: whether it stays plugged in or comes again, what it got is not done a second time, and so does
 * not undo what followed (docs/decisions/0054-a-stick-instead-of-a-login.md). Throws PaddockError with an UPDATE_ code for what
 * is refused or failed; then nothing changed, and a failure may be tried again.
 */
export async function followStick(options: StickOptions): Promise<StickEnd> {
  const wish = wishOf(await namesIn(options.folder), architecture());
  if (wish.kind === "unclear") throw new PaddockError("UPDATE_REFUSED", wish.why, { remedy: wish.remedy });
  const path = join(options.folder, wish.name);
  return wish.kind === "roll-back" ? goBack(path, options) : installFrom(path, options);
}

async function installFrom(file: string, options: StickOptions): Promise<StickEnd> {
  const { paths, tell } = options;
  const known = await manifestOf(file, paths);
  const id = idOf(known === undefined ? await marksOf(file) : known.manifestSha256);
  const done = await doneBySticks(paths.stateDir, tell);
  if (known !== undefined && done.includes(id))
    return {
      text: `Release ${known.version} was installed here from a stick before, and is not installed a second time.`,
      restart: false,
    };
  const byHand = known === undefined ? { id } : { id, version: known.version };
  const applied = await applyRelease({ ...options, target: { file }, allowDowngrade: false, byHand });
  await rememberDone(paths.stateDir, done, id);
  if (applied.outcome === "installed")
    return { text: `Release ${applied.version} is installed from the stick, and is started now.`, restart: true };
  return { text: `Release ${applied.version} runs already.`, restart: false };
}

async function goBack(file: string, { paths, tell, now }: StickOptions): Promise<StickEnd> {
  const id = idOf(await marksOf(file));
  const done = await doneBySticks(paths.stateDir, tell);
  if (done.includes(id))
    return {
      text: "What this file rollback asks for was done before. To go back once more, make the file anew.",
      restart: false,
    };
  // Before it is done: a start that is cut off must not lead back and forth.
  const { from, to } = await rollBack({
    paths,
    tell,
    now,
    byHand: { id, begin: () => rememberDone(paths.stateDir, done, id) },
  });
  const text = `Release ${from} is taken back, and ${to} is started now. Updates are held: a stick with another release ends that.`;
  return { text, restart: true };
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.isFile()) names.push(entry.name);
      if (names.length >= NAMES_MAX) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw unreadable(folder, error);
  }
  return names;
}

/** Of an update whose signature holds; undefined for all else, which the installation refuses with what is wrong. */
async function manifestOf(
  file: string,
  paths: DevicePaths,
): Promise<{ readonly version: string; readonly manifestSha256: string } | undefined> {
  try {
    const source = await openRelease({ file }, { keys: await releaseKeys(paths), arch: architecture() });
    await source.close();
    return { version: source.manifest.version, manifestSha256: source.manifestSha256 };
  } catch {
    return undefined;
  }
}

/** What tells one file from another that somebody made later, without reading it. */
async function marksOf(path: string): Promise<string> {
  try {
    const { size, mtimeMs, birthtimeMs } = await stat(path);
    return `${size} ${mtimeMs} ${birthtimeMs}`;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function idOf(marks: string): string {
  return STICK_ID + createHash("sha256").update(marks).digest("hex").slice(0, ID_HEX);
}

function unreadable(path: string, error: unknown): PaddockError {
  return new PaddockError("UPDATE_SOURCE", `${path} cannot be read: ${messageOf(error)}.`, {
    cause: error,
    remedy: "Plug the stick in again, and leave it in; if it repeats, take another one.",
  });
}
