import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

const started: { readonly child: ChildProcess; readonly directory: string }[] = [];

afterAll(() => {
  for (const { child, directory } of started) {
    child.kill("SIGKILL");
    for (const { pid } of processesOf(directory)) process.kill(pid, "SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Starts a demo in a temporary directory of its own. */
function start(...args: string[]) {
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

interface DemoProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process that descends from a demo: all inherit its temporary directory. */
function processesOf(directory: string): DemoProcess[] {
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

test("proves that nothing is lost when the active uplink is cut, and leaves nothing behind", async () => {
  const { ended, nothingLeft, output } = start("--seconds", "5", "--seed", "3");
  const code = await ended;
  expect(output()).toMatch(/CUT +(\w+) [^]*GOES ON first receipt over [^]*HEALED +\1 /);
  expect(output()).toMatch(/^PASS: ([\d,]+) frames sent, \1 kept exactly once, chains intact\.$/m);
  expect(output()).not.toContain("FAIL");
  expect(code).toBe(0);
  await nothingLeft();
});

describe.concurrent("at once, as they wait for the most part", () => {
  test("ctrl-C in the middle ends everything", async () => {
    const { child, directory, ended, says, nothingLeft, output } = start("--seconds", "30");
    await says("frames/s: received");
    expect(output()).toContain("frames/s: received");
    // Without the processes the look for them would find nothing, whatever the demo does.
    expect(processesOf(directory).length).toBeGreaterThanOrEqual(7);
    child.kill("SIGINT");
    expect(await ended).toBe(1);
    expect(output()).toContain("Interrupted");
    await nothingLeft();
  });

  test("a program that dies is named with its last words, and takes everything along", async () => {
    const { directory, ended, says, nothingLeft, output } = start("--seconds", "30");
    await says("frames/s: received");
    expect(output()).toContain("frames/s: received");
    const gateway = processesOf(directory).find(({ command }) => command.includes("gateway/main.ts run"));
    process.kill(gateway!.pid, "SIGKILL");
    expect(await ended).toBe(1);
    expect(output()).toContain("FAIL: the demo broke off. The gateway was ended by SIGKILL.");
    expect(output()).toMatch(/Its last lines:\n +\{"time"/);
    await nothingLeft();
  });

  test("a wrong option is refused before anything starts", async () => {
    const { ended, nothingLeft, output } = start("--seconds", "3");
    expect(await ended).toBe(2);
    expect(output()).toContain("--seconds 3 is not a whole number from 4 to 45");
    await nothingLeft();
  });
});
