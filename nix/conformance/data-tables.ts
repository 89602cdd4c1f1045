import { copyFile, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../image/run.ts";

const PARTITION_BYTES = 8 * 1024 * 1024;
/** What the image's program asks others to do, noted instead of done. */
const PROGRAMS = {
  dmsetup: `[ "$1" = create ] && exec sed w"$TABLES" || true`,
  "mkfs.ext4": "exit 0",
} as const;

/**
 * The device-mapper tables by which the program of an image makes two new data partitions, each in a file that begins as the image
 * has its devices begin one. `root` is the folder with the root file system. Rejects when the program does not make one.
 */
export async function dataTables(root: string, scratch: string): Promise<string[]> {
  const folder = join(scratch, "programs");
  await mkdir(folder);
  for (const [name, text] of Object.entries(PROGRAMS))
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const made: string[] = [];
  for (const name of ["one", "other"]) {
    const [partition, tables] = [join(scratch, `${name}.data`), join(scratch, `${name}.table`)];
    await copyFile(join(root, "usr/lib/paddock/data-head"), partition);
    await truncate(partition, PARTITION_BYTES);
    await run("env", [
      `PATH=${folder}:${process.env["PATH"]}`,
      `TABLES=${tables}`,
      join(root, "usr/lib64/ld-linux-x86-64.so.2"),
      "--library-path",
      join(root, "usr/lib/x86_64-linux-gnu"),
      join(root, "usr/bin/node"),
      join(root, "opt/paddock/paddock-gateway.mjs"),
      "data",
      "open",
      "--device",
      partition,
    ]);
    made.push((await readFile(tables, "utf8")).trim());
  }
  return made;
}
