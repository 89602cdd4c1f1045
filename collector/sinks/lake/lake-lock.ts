import { link, readFile, readlink, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

const LOCK = "_lock";
/** How often who has a lake says so by the time of the lock's file. */
const TOUCH_MS = 3000;
/** A holder whose process cannot be seen from here, and that said nothing for so long, is gone. Less than after what a sink counts as hung. */
const SILENT_MS = 12_000;

/**
 * That one process alone changes a lake. A process that is gone holds nothing: one of this machine and container is seen to
 * be gone, one of another is so when it says nothing any more.
 */
export class LakeLock {
  readonly #directory: string;
  readonly #own: string;
  readonly #touching: NodeJS.Timeout;

  private constructor(directory: string, own: string) {
    this.#directory = directory;
    this.#own = own;
    const touch = (): void => void utimes(join(directory, LOCK), new Date(), new Date()).catch(() => {});
    this.#touching = setInterval(touch, TOUCH_MS).unref();
  }

  /** Throws SINK_REFUSED while another process has it. May take `silentMs` to know that. */
  static async take(directory: string, silentMs = SILENT_MS): Promise<LakeLock> {
    const path = join(directory, LOCK);
    const world = await worldOf();
    const own = `${process.pid} ${await startOf(process.pid)} ${world}`;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await writeFile(path, own, { flag: "wx", mode: 0o640 });
        return new LakeLock(directory, own);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
          const message = `The lake in ${directory} cannot be locked: ${messageOf(error)}.`;
          throw new PaddockError("SINK_UNAVAILABLE", message, { cause: error });
        }
      }
      const found = await contentOf(path);
      const [pid = "", start, holdersWorld] = found.split(" ");
      const isHere = holdersWorld === world;
      const lives = isHere ? (await startOf(Number(pid))) === start : await isTouched(path, silentMs);
      if (lives) {
        const who = isHere ? `Process ${pid}` : "A process of another container or machine";
        throw new PaddockError("SINK_REFUSED", `${who} has the lake in ${directory}.`, {
          remedy: "A lake has one writer: end the other one, or pause the sink.",
        });
      }
      await remove(path, found);
    }
    throw new PaddockError("SINK_UNAVAILABLE", `The lock of the lake in ${directory} changes hands.`);
  }

  /** Throws SINK_UNAVAILABLE when another process took the lake, as one does from a holder that stood still for long. */
  async check(): Promise<void> {
    if ((await contentOf(join(this.#directory, LOCK))) === this.#own) return;
    throw new PaddockError("SINK_UNAVAILABLE", `Another process took the lake in ${this.#directory} meanwhile.`, {
      remedy: "A lake has one writer: end the other one, or pause the sink.",
    });
  }

  async release(): Promise<void> {
    clearInterval(this.#touching);
    await remove(join(this.#directory, LOCK), this.#own);
  }
}

/** Removes the lock if it still is the one that was read; one that was taken meanwhile is put back. */
async function remove(path: string, content: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  // Where a third one was quicker, who had it is told so by `check`.
  if ((await contentOf(aside)) !== content) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

async function isTouched(path: string, withinMs: number): Promise<boolean> {
  const state = async (): Promise<string> => {
    const { ino, mtimeMs } = await stat(path).catch(() => ({ ino: 0, mtimeMs: 0 }));
    return `${ino} ${mtimeMs}`;
  };
  const before = await state();
  // By this process's own clock: that of another machine may go wrong.
  for (let waited = 0; waited < withinMs; waited += withinMs / 20) {
    await sleep(withinMs / 20);
    if ((await state()) !== before) return true;
  }
  return false;
}

function contentOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** Within which the number of a process means the same one: a start of a machine, and a container of it. */
async function worldOf(): Promise<string> {
  const boot = await contentOf("/proc/sys/kernel/random/boot_id");
  return `${boot.trim()}/${await readlink("/proc/self/ns/pid").catch(() => "")}`;
}

/** When a process began, in ticks since the machine did: the same number is never given to two processes at one time. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await contentOf(`/proc/${pid}/stat`);
  // Behind the name, which may hold anything, field 22 is the 20th.
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}
