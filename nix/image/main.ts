#!/usr/bin/env node
import { join } from "node:path";
import { runMain } from "@paddock/base/cli.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { buildImage } from "./build.ts";
import { readOptions, USAGE } from "./options.ts";
import { writeRelease } from "./release.ts";
import { run } from "./run.ts";

runMain(async (args) => {
  const options = readOptions(args);
  if (options === "help") {
    print(USAGE);
    return 0;
  }
  const startedAt = Date.now();
  const tell = (step: string): void => print(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${step}`);
  const image = await buildImage({ ...options, tell });
  if (!options.rawOnly) {
    tell("block map, compression, sums");
    const commit = (await run("git", ["rev-parse", "HEAD"], { cwd: join(import.meta.dirname, "../..") })).trim();
    printJson(await writeRelease(image, { ...options, commit }));
  }
  tell(`built: ${image.raw}`);
  return 0;
});
