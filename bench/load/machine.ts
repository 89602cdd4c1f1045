import { readFileSync, statfsSync } from "node:fs";
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
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
