import { createReadStream, createWriteStream, lstatSync, readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { readTable, SECTOR_BYTES, TABLE_BYTES } from "@paddock/wire/gpt.ts";
import { BUILDER, lockFileOf } from "../image/architectures.ts";
import { Apt } from "../image/debian.ts";
import { guidText } from "../image/fixed-ids.ts";
import { readLock } from "../image/lock.ts";
import { runErofs } from "../image/erofs.ts";
import type { FoundPartition, RootFile } from "./evidence.ts";

export interface PlacedPartition extends FoundPartition {
  readonly startByte: number;
  readonly bytes: number;
}

/** The partitions of an image file, in order. */
export async function partitionsOf(raw: string): Promise<PlacedPartition[]> {
  const file = await open(raw);
  try {
    const { buffer } = await file.read(Buffer.alloc(TABLE_BYTES), 0, TABLE_BYTES, 0);
    const table = readTable(buffer);
    if (!table.ok) throw new Error(`${raw}: ${table.detail}`);
    return table.value.partitions.map(({ label, firstSector, lastSector, entry }) => ({
      label,
      uuid: guidText(entry.subarray(16, 32)),
      startByte: firstSector * SECTOR_BYTES,
      bytes: (lastSector - firstSector + 1) * SECTOR_BYTES,
    }));
  } finally {
    await file.close();
  }
}

/**
 * The root file system of a partition as files below `scratch`; returns the folder. By the packages' own fsck.erofs: that of
 * this machine may know no zstd.
 */
export async function extractRoot(
  raw: string,
  { startByte, bytes }: PlacedPartition,
  scratch: string,
  cache: string,
): Promise<string> {
  const [slot, folder] = [join(scratch, "root.erofs"), join(scratch, "root")];
  await pipeline(createReadStream(raw, { start: startByte, end: startByte + bytes - 1 }), createWriteStream(slot));
  const apt = await Apt.open(cache, BUILDER.debian);
  const { tools } = await readLock(lockFileOf(BUILDER), BUILDER);
  await runErofs(await apt.unpacked(tools), "fsck.erofs", [`--extract=${folder}`, "--no-preserve-owner", slot]);
  return folder;
}

/** Every regular file below `folder`, by path without a slash in front. */
export function rootFiles(folder: string): Map<string, RootFile> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), { mode: lstatSync(path).mode & 0o7777, text: readFileSync(path, "latin1") }];
    }),
  );
}
