#!/usr/bin/env node
import { join } from "node:path";
import { runMain } from "@paddock/base/cli.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { buildImage } from "./build.ts";
import { readOptions, USAGE } from "./options.ts";
import { assertOneArchitecture, writeRelease } from "./release.ts";
import { run } from "./run.ts";
import { assertSizes, sizeLines } from "./size-limits.ts";
import { writeUpdate } from "./update.ts";

runMain(async (args) => {
  // What depends on the day depends on that of the sources: the same ones give the same image at any time.
  const date = await git("show", "-s", "--format=%cs");
  const options = readOptions(args, new Date(date));
  if (options === "help") {
    print(USAGE);
    return 0;
  }
  if (!options.rawOnly) await assertOneArchitecture(options.out, options.architecture);
  const startedAt = Date.now();
  const tell = (step: string): void => print(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${step}`);
  const image = await buildImage({ ...options, tell });
  // Root and program are compressed already: what is downloaded has at most as much as they have.
  const { root, verity, uki, initrd } = image.sizes;
  const sizes = { root, initrd, download: root + verity + uki };
  const kind = `${options.architecture.name} ${options.compression}`;
  for (const line of sizeLines(sizes, kind)) tell(line);
  assertSizes(sizes, kind);
  const commit = await git("rev-parse", "HEAD");
  const { key } = options;
  let more: string[] = [];
  if (key !== undefined) {
    tell("update");
    more = await writeUpdate(image, {
      ...options,
      key,
      commit,
      created: Number(await git("show", "-s", "--format=%ct")),
    });
  }
  if (!options.rawOnly) {
    tell("block map, compression, sums");
    printJson(await writeRelease(image, { ...options, commit, date, more }));
  }
  tell(`built: ${image.raw}`);
  return 0;
});

async function git(...words: string[]): Promise<string> {
  return (await run("git", words, { cwd: join(import.meta.dirname, "../..") })).trim();
}
