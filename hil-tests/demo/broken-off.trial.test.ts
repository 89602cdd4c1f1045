import { afterAll, describe, expect, test } from "vitest";
import { endDemos, processesOf, startDemo } from "./testing/start-demo.ts";

afterAll(endDemos);

describe.concurrent("at once, as they wait for the most part", () => {
  test("ctrl-C in the middle ends everything", async () => {
    const { child, directory, ended, says, nothingLeft, output } = startDemo("--seconds", "30");
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
    const { directory, ended, says, nothingLeft, output } = startDemo("--seconds", "30");
    await says("frames/s: received");
    expect(output()).toContain("frames/s: received");
    const gateway = processesOf(directory).find(({ command }) => command.includes("gateway/main.ts run"));
    process.kill(gateway!.pid, "SIGKILL");
    expect(await ended).toBe(1);
    expect(output()).toContain("FAIL: the demo broke off. The gateway was ended by SIGKILL.");
    expect(output()).toMatch(/Its last lines:\n +\{"time"/);
    await nothingLeft();
  });
});
