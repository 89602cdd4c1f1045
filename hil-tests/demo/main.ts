#!/usr/bin/env node
import { runMain } from "@paddock/base/cli.ts";
import { Children } from "./children.ts";
import { DemoFailure } from "./demo-failure.ts";
import { DemoFiles } from "./files.ts";
import { HELP, readOptions } from "./options.ts";
import { perform } from "./perform.ts";
import { Screen } from "./screen.ts";

runMain(async (argv) => {
  const options = readOptions(argv);
  if (options === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const files = new DemoFiles();
  const children = new Children(files.directory);
  const screen = new Screen();
  const over = new AbortController();
  // The last resort, for a programmer's error: nothing of the demo outlives it.
  process.on("exit", () => {
    children.killAll();
    files.remove();
  });
  const interrupted = new Promise<"interrupted">((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve("interrupted"));
  });
  let passed = false;
  const play = perform({ options, files, children, screen, signal: over.signal }, (verdict) => (passed = verdict));
  try {
    const end = await Promise.race([play, interrupted, children.failed]);
    screen.keepPanel();
    if (end === "interrupted") screen.say(passed ? "\nEnding." : "\nInterrupted before the proof; ending.");
  } catch (error) {
    if (!(error instanceof DemoFailure)) throw error;
    passed = false;
    screen.keepPanel();
    screen.say(`\nFAIL: the demo broke off. ${error.message}`, "bad");
  } finally {
    over.abort();
    await children.endAll();
    files.remove();
  }
  return passed ? 0 : 1;
});
