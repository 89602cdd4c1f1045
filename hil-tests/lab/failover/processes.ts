import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Processes in a namespace whose command line has this word. */
export async function pidsOf(namespace: string, word: string): Promise<number[]> {
  const { stdout } = await run("ip", ["netns", "pids", namespace]);
  return stdout
    .split("\n")
    .filter((pid) => pid !== "" && commandOf(pid).includes(word))
    .map(Number);
}

/** Empty for a process that ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
