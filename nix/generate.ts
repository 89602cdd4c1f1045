#!/usr/bin/env node
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runMain } from "@paddock/base/cli.ts";
import { print } from "@paddock/base/printable.ts";
import { evaluateNix } from "./evaluate.ts";

/** Files that nix/lib makes, by path below nix/. They stand here for those who have no Nix. */
export async function shippedFiles(): Promise<Readonly<Record<string, string>>> {
  return (await evaluateNix("import ./lib/shipped.nix")) as Record<string, string>;
}

/** Folder whose files are all made by nix/lib. */
export const IMAGE_FILES = join(import.meta.dirname, "image/files");

if (import.meta.main)
  runMain(async () => {
    const files = await shippedFiles();
    await rm(IMAGE_FILES, { recursive: true, force: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(import.meta.dirname, dirname(path)), { recursive: true });
      await writeFile(join(import.meta.dirname, path), text);
      print(`nix/${path}`);
    }
    return 0;
  });
