import { readFileSync } from "node:fs";

/** How the kernel schedules this process: what decides whether short intervals hold under load. */
export interface Scheduling {
  readonly policy: "other" | "fifo" | "round-robin" | "batch" | "idle" | "deadline" | "unknown";
  /** cpu.weight of the control group, 1 to 10000, 100 by default; undefined where it cannot be read. */
  readonly cpuWeight: number | undefined;
}

const POLICIES = ["other", "fifo", "round-robin", "batch", "unknown", "idle", "deadline"] as const;
/** Intervals below this need priority to hold beside other work (docs/bfd.md has the measurements). */
const SENSITIVE_MS = 100;
/** From this weight on a control group gets the processor at once in practice. */
const HEAVY_WEIGHT = 5000;

export function readScheduling(read: (path: string) => string = (path) => readFileSync(path, "utf8")): Scheduling {
  return { policy: readPolicy(read), cpuWeight: readWeight(read) };
}

/** A sentence when sessions as fast as `fastestMs` are asked for without the priority that they need, else undefined. */
export function schedulingWarning(scheduling: Scheduling, fastestMs: number): string | undefined {
  if (fastestMs >= SENSITIVE_MS) return undefined;
  const { policy, cpuWeight } = scheduling;
  if (policy === "fifo" || policy === "round-robin" || policy === "deadline") return undefined;
  if (cpuWeight !== undefined && cpuWeight >= HEAVY_WEIGHT) return undefined;
  return (
    `Intervals of ${fastestMs} ms will not hold beside other load: this process runs with policy ${policy} and ` +
    `CPU weight ${cpuWeight ?? "unknown"}. Start it with CPUSchedulingPolicy=fifo or CPUWeight=10000 (systemd), or with chrt -f 50.`
  );
}

function readPolicy(read: (path: string) => string): Scheduling["policy"] {
  try {
    // The command in field 2 may hold spaces and parentheses; field 41 is the policy (proc(5)).
    const stat = read("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return POLICIES[Number(fields[41 - 3])] ?? "unknown";
  } catch {
    return "unknown";
  }
}

function readWeight(read: (path: string) => string): number | undefined {
  try {
    const group = /^0::(.*)$/m.exec(read("/proc/self/cgroup"))?.[1];
    const weight = group === undefined ? Number.NaN : Number(read(`/sys/fs/cgroup${group}/cpu.weight`));
    return Number.isFinite(weight) ? weight : undefined;
  } catch {
    return undefined;
  }
}
