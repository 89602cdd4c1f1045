import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const LIMIT_MS = 90_000;

let directory: string;
let demo: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-demo-test-"));
});
afterEach(() => {
  demo?.kill("SIGKILL");
  for (const { pid } of processesOfDemo()) process.kill(pid, "SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

/** Starts the demo; its temporary directory lies in ours. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: directory, NO_COLOR: "1" },
  });
  demo = child;
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
  return { child, ended, says, output: () => output };
}

interface DemoProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process that descends from the demo: all inherit its temporary directory. */
function processesOfDemo(): DemoProcess[] {
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

/** A process that its parent does not wait for ends a moment later; the test's time limit ends the wait. */
async function nothingLeft(): Promise<void> {
  while (processesOfDemo().length > 0) await sleep(20);
  expect(readdirSync(directory)).toEqual([]);
}

test(
  "proves that nothing is lost when the active uplink is cut, and leaves nothing behind",
  async () => {
    const { ended, output } = start("--seconds", "8", "--seed", "3");
    const code = await ended;
    expect(output()).toMatch(/CUT +(\w+) [^]*GOES ON first receipt over [^]*HEALED +\1 /);
    expect(output()).toMatch(/^PASS: ([\d,]+) frames sent, \1 kept exactly once, chains intact\.$/m);
    expect(output()).not.toContain("FAIL");
    expect(code).toBe(0);
    await nothingLeft();
  },
  LIMIT_MS,
);

test(
  "ctrl-C in the middle ends everything",
  async () => {
    const { child, ended, says, output } = start("--seconds", "30");
    await says("frames/s: received");
    expect(output()).toContain("frames/s: received");
    // Without the processes the look for them would find nothing, whatever the demo does.
    expect(processesOfDemo().length).toBeGreaterThanOrEqual(7);
    child.kill("SIGINT");
    expect(await ended).toBe(1);
    expect(output()).toContain("Interrupted");
    await nothingLeft();
  },
  LIMIT_MS,
);

test(
  "a program that dies is named with its last words, and takes everything along",
  async () => {
    const { ended, says, output } = start("--seconds", "30");
    await says("frames/s: received");
    expect(output()).toContain("frames/s: received");
    const gateway = processesOfDemo().find(({ command }) => command.includes("gateway/main.ts run"));
    process.kill(gateway!.pid, "SIGKILL");
    expect(await ended).toBe(1);
    expect(output()).toContain("FAIL: the demo broke off. The gateway was ended by SIGKILL.");
    expect(output()).toMatch(/Its last lines:\n +\{"time"/);
    await nothingLeft();
  },
  LIMIT_MS,
);

test("a wrong option is refused before anything starts", async () => {
  const { ended, output } = start("--seconds", "3");
  expect(await ended).toBe(2);
  expect(output()).toContain("--seconds 3 is not a whole number from 4 to 45");
  await nothingLeft();
});
