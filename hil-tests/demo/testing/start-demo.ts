import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { until } from "@paddock/base/testing/until.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

const started: { readonly child: ChildProcess; readonly directory: string }[] = [];

/** Ends what a test left running, and takes its directories away. */
export function endDemos(): void {
  for (const { child, directory } of started) {
    child.kill("SIGKILL");
    for (const { pid } of processesOf(directory)) process.kill(pid, "SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts a demo in a temporary directory of its own. */
export function startDemo(...args: string[]) {
  const directory = mkdtempSync(join(tmpdir(), "paddock-demo-test-"));
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: directory, NO_COLOR: "1" },
  });
  started.push({ child, directory });
  let output = "";
  const onOutput = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      for (const listener of onOutput) listener();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  /** Resolves when the demo says it, or is over. */
  const says = (text: string): Promise<unknown> =>
    Promise.race([
      ended,
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (output.includes(text)) resolve();
        };
        onOutput.add(look);
        look();
      }),
    ]);
  /** A process that its parent does not wait for ends a moment later. */
  const nothingLeft = async (): Promise<void> => {
    await until(() => expect(processesOf(directory)).toEqual([]));
    expect(readdirSync(directory)).toEqual([]);
  };
  return { child, directory, ended, says, nothingLeft, output: () => output };
}

/** Plays a demo to its end: an uplink was cut under load and healed, every frame was kept once, and nothing is left. */
export async function expectPass(...args: string[]): Promise<void> {
  const { ended, nothingLeft, output } = startDemo(...args);
  const code = await ended;
  expect(output()).toMatch(/CUT +(\w+) [^]*GOES ON first receipt over [^]*HEALED +\1 /);
  expect(output()).toMatch(/^PASS: ([\d,]+) frames sent, \1 kept exactly once, chains intact\.$/m);
  expect(output()).not.toContain("FAIL");
  expect(code).toBe(0);
  await nothingLeft();
}

interface DemoProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process that descends from a demo: all inherit its temporary directory. */
export function processesOf(directory: string): DemoProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, "utf8").includes(`TMPDIR=${directory}`)) return [];
        return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ") }];
      } catch {
        // Gone meanwhile, or somebody else's.
        return [];
      }
    });
}
