import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";

const LOCK = "_lock";

/** That one process alone changes a lake. A process that is gone holds nothing. */
export class LakeLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws SINK_REFUSED while another process has it. */
  static async take(directory: string): Promise<LakeLock> {
    const path = join(directory, LOCK);
    const own = `${process.pid} ${await startOf(process.pid)}`;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await writeFile(path, own, { flag: "wx", mode: 0o640 });
        return new LakeLock(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
          const message = `The lake in ${directory} cannot be locked: ${(error as Error).message}.`;
          throw new PaddockError("SINK_UNAVAILABLE", message, { cause: error });
        }
      }
      const [pid = "", start] = (await readFile(path, "utf8").catch(() => "")).split(" ");
      const holder = Number(pid);
      const lives = holder > 0 && start !== undefined && (await startOf(holder)) === start;
      if (lives) {
        throw new PaddockError("SINK_REFUSED", `Process ${holder} has the lake in ${directory}.`, {
          remedy: "A lake has one writer: end the other one, or pause the sink.",
        });
      }
      await rm(path, { force: true });
    }
    throw new PaddockError("SINK_UNAVAILABLE", `The lock of the lake in ${directory} changes hands.`);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** When a process began, in ticks since the machine did: the same number is never given to two processes at one time. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // Behind the name, which may hold anything, field 22 is the 20th.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
