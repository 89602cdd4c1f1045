import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../namespaces.ts";

const PRIORITIES = ["fifo", "weight", "none"] as const;
/**
 * How a process is put before others: `fifo` is systemd's CPUSchedulingPolicy=fifo with CPUSchedulingPriority=50,
 * `weight` its CPUWeight=10000.
 */
export type Priority = (typeof PRIORITIES)[number];

/** Throws for any other word. */
export function parsePriority(word: string): Priority {
  const found = PRIORITIES.find((priority) => priority === word);
  if (found === undefined) throw new Error(`--priority ${word}: there are ${PRIORITIES.join(", ")}.`);
  return found;
}

const FIFO_PRIORITY = 50;
/** Of peers in tests whose sessions may not fall: as a speaker of ours is started. */
export const PEER_FIFO = 50;
const ROOT = "/sys/fs/cgroup";

/** Puts running processes before others, each in a control group of its own where weights are asked for. */
export class Prioritiser {
  readonly priority: Priority;
  readonly #groups: string[] = [];

  constructor(priority: Priority) {
    this.priority = priority;
  }

  /** All threads of this process. Throws where the machine has no control groups for processors. */
  apply(pid: number): void {
    if (this.priority === "fifo") setFifo(pid, FIFO_PRIORITY);
    if (this.priority !== "weight") return;
    const { directory, file, value } = weightSetting();
    const group = join(directory, `paddock-lab-${pid}`);
    mkdirSync(group);
    this.#groups.push(group);
    writeFileSync(join(group, file), value);
    writeFileSync(join(group, "cgroup.procs"), String(pid));
  }

  /** What was done, in the words of this machine. */
  get words(): string {
    if (this.priority === "fifo") return `FIFO ${FIFO_PRIORITY}`;
    if (this.priority === "none") return "no priority";
    const { file, value, version } = weightSetting();
    return `${file} ${value} (cgroup ${version})`;
  }

  /** Removes the groups; the processes in them must have been ended. */
  async leave(): Promise<void> {
    for (const group of this.#groups.splice(0)) {
      await eventually(`${group} is empty`, () => {
        rmdirSync(group);
        return true;
      });
    }
  }
}

/** All threads of a process; the judge of both candidates must never be late itself. Throws for what is no pid. */
export function setFifo(pid: number, priority: number): void {
  // To chrt, 0 is chrt itself.
  if (!Number.isInteger(pid) || pid < 1) throw new RangeError(`there is no process ${pid} to put before others`);
  execFileSync("chrt", ["--all-tasks", "-f", "-p", String(priority), String(pid)]);
}

/** CPUWeight=10000 is a hundred times the default share in either version of control groups. */
function weightSetting(): { directory: string; file: string; value: string; version: "v1" | "v2" } {
  const controllers = join(ROOT, "cgroup.subtree_control");
  if (existsSync(controllers) && /\bcpu\b/.test(readFileSync(controllers, "utf8"))) {
    return { directory: ROOT, file: "cpu.weight", value: "10000", version: "v2" };
  }
  if (existsSync(join(ROOT, "cpu/cpu.shares"))) {
    return { directory: join(ROOT, "cpu"), file: "cpu.shares", value: "102400", version: "v1" };
  }
  throw new Error(`neither ${controllers} enables "cpu" nor is there ${ROOT}/cpu: no weights on this machine`);
}
