import { describe, expect, test } from "vitest";
import { readScheduling, schedulingWarning } from "./scheduling.ts";

/** proc(5): field 2 may hold anything, field 41 is the policy. */
function stat(policy: number): string {
  const fields = Array.from({ length: 50 }, (_, index) => (index + 3 === 41 ? policy : 0));
  return `4711 (node (odd) name) ${fields.join(" ")}\n`;
}

function machine(policy: number, weight?: string): (path: string) => string {
  return (path) => {
    if (path === "/proc/self/stat") return stat(policy);
    if (path === "/proc/self/cgroup") return "1:name=x:/\n0::/system.slice/bfd.service\n";
    if (path === "/sys/fs/cgroup/system.slice/bfd.service/cpu.weight" && weight !== undefined) return `${weight}\n`;
    throw new Error("ENOENT");
  };
}

const nothing = () => {
  throw new Error("ENOENT");
};
const warn = (code: number, weight: string | undefined, fastestMs: number) =>
  schedulingWarning(readScheduling(machine(code, weight)), fastestMs);

describe("scheduling class", () => {
  test.each([
    [0, "other"],
    [1, "fifo"],
    [2, "round-robin"],
    [5, "idle"],
  ])("policy %i is %s", (code, policy) => {
    expect(readScheduling(machine(code, "100"))).toEqual({ policy, cpuWeight: 100 });
  });

  test("a machine without /proc is unknown, and this one is not", () => {
    expect(readScheduling(nothing)).toEqual({ policy: "unknown", cpuWeight: undefined });
    expect(readScheduling().policy).not.toBe("unknown");
  });

  test("only fast intervals without priority are warned about", () => {
    expect(warn(0, "100", 50)).toMatch(/50 ms will not hold.*policy other and CPU weight 100/);
    expect(warn(0, undefined, 10)).toMatch(/CPU weight unknown/);
    expect(warn(0, "100", 100)).toBeUndefined();
    expect(warn(0, "10000", 50)).toBeUndefined();
    expect(warn(1, "100", 10)).toBeUndefined();
  });
});
