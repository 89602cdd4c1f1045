import { createReadStream, createWriteStream, lstatSync, readdirSync, readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { readTable, SECTOR_BYTES, TABLE_BYTES } from "@paddock/wire/gpt.ts";
import { Apt, type LockedPackage } from "../image/debian.ts";
import { uuidText } from "../image/fixed-ids.ts";
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
      uuid: uuidOf(Buffer.from(entry.subarray(16, 32))),
      startByte: firstSector * SECTOR_BYTES,
      bytes: (lastSector - firstSector + 1) * SECTOR_BYTES,
    }));
  } finally {
    await file.close();
  }
}

/** A GUID as it lies in a table: its first three fields with the lowest byte first (UEFI 2.10, appendix A). */
function uuidOf(bytes: Buffer): string {
  const fields = [
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
  ];
  return uuidText(Buffer.concat([...fields, bytes.subarray(8)]).toString("hex"));
}

/**
 * The root file system of a partition as files below `scratch`; returns the folder. By the packages' own fsck.erofs: that of
 * this machine may know no zstd.
 */
export async function extractRoot(
  raw: string,
  { startByte, bytes }: PlacedPartition,
  scratch: string,
  { cache, lock }: { readonly cache: string; readonly lock: string },
): Promise<string> {
  const [slot, folder] = [join(scratch, "root.erofs"), join(scratch, "root")];
  await pipeline(createReadStream(raw, { start: startByte, end: startByte + bytes - 1 }), createWriteStream(slot));
  const apt = await Apt.open(cache);
  const folders = await apt.unpacked(JSON.parse(await readFile(lock, "utf8")) as LockedPackage[]);
  await runErofs(folders, "fsck.erofs", [`--extract=${folder}`, "--no-preserve-owner", slot]);
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
