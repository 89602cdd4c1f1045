import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { DiskFile } from "./disk-file.ts";
import { readTable, SECTOR_BYTES, TABLE_BYTES } from "@paddock/wire/gpt.ts";

/** The GPT label of the FAT partition that people may edit. */
export const CONFIG_LABEL = "CONFIG";

const run = promisify(execFile);

/** Throws FLASH_FAILED where mtools are missing: better before a disk is written than behind it. */
export async function assertMtools(): Promise<void> {
  await mtools("mtools", ["--version"]);
}

/**
 * Puts files into the CONFIG partition through mtools, and reads each back. The disk must not be held open by others. Throws
 * IMAGE_INVALID when the image has no such partition, FLASH_FAILED when a file cannot be written.
 */
export async function putConfigFiles(disk: DiskFile, files: ReadonlyMap<string, string>): Promise<void> {
  const table = readTable(await disk.read(0, TABLE_BYTES));
  const partition = table.ok ? table.value.partitions.find(({ label }) => label === CONFIG_LABEL) : undefined;
  if (partition === undefined) {
    throw new PaddockError("IMAGE_INVALID", `${disk.path} has no partition ${CONFIG_LABEL} to put files into.`, {
      remedy: "Take the image of a Paddock release.",
    });
  }
  const drive = `${disk.path}@@${partition.firstSector * SECTOR_BYTES}`;
  // Files that hold keys: for this user alone while they are copied.
  const stage = await mkdtemp(join(tmpdir(), "paddock-flash-"));
  try {
    for (const [name, content] of files) {
      const folder = dirname(name);
      if (folder !== ".") {
        await mkdir(join(stage, folder), { recursive: true });
        await mtools("mmd", ["-D", "s", "-i", drive, `::/${folder}`], { mayFail: true });
      }
      await writeFile(join(stage, name), content, { mode: 0o600 });
      await mtools("mcopy", ["-D", "o", "-n", "-i", drive, join(stage, name), `::/${name}`]);
    }
    await disk.settle();
    for (const [name, content] of files) {
      if ((await mtools("mtype", ["-i", drive, `::/${name}`])) === content) continue;
      throw new PaddockError("FLASH_FAILED", `${name} in ${CONFIG_LABEL} of ${disk.path} does not read back.`);
    }
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

async function mtools(program: string, args: readonly string[], { mayFail = false } = {}): Promise<string> {
  try {
    // MTOOLS_SKIP_CHECK: the partition's geometry need not be that of a floppy.
    const env = { ...process.env, MTOOLS_SKIP_CHECK: "1", MTOOLSRC: "/dev/null" };
    return (await run(program, args, { env, maxBuffer: 8 << 20 })).stdout;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (mayFail && !missing) return "";
    throw new PaddockError("FLASH_FAILED", `${program} failed: ${messageOf(error).trim()}.`, {
      cause: error,
      remedy: missing ? "Install mtools." : "Flash the disk again.",
    });
  }
}
