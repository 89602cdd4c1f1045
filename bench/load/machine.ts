import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** Type of tmpfs in statfs(2). */
const TMPFS = 0x01021994;

/** What the figures depend on. */
export function machine(directory: string): Record<string, string> {
  const memory = statfsSync(directory).type === TMPFS;
  return {
    processor: `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `Linux ${release()}`,
    node: `Node ${process.version}`,
    disk: memory ? `${directory} is in memory: NOT A DISK, choose one with --dir` : directory,
  };
}

/** Average number of runnable processes in the last minute. */
export function loadNow(): string {
  return loadavg()[0]!.toFixed(2);
}

/** µs of processor time, user and system, that a process took so far, in steps of Linux's 10 ms (proc(5), stat). */
export function processorUs(pid: number): number {
  const { user, system } = statOf(pid);
  return (user + system) * 10_000;
}

/** The processes that a process has started itself and that still run. */
export function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      return statOf(pid).parent === parent;
    } catch {
      return false; // ended meanwhile
    }
  });
}

function statOf(pid: number): { readonly parent: number; readonly user: number; readonly system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), user: Number(fields[11]), system: Number(fields[12]) };
}
