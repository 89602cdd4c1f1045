import { PaddockError } from "@paddock/base/errors.ts";
import type { DiskFile } from "./disk-file.ts";
import {
  BACKUP_BYTES,
  firstFreeByte,
  readTable,
  SECTOR_BYTES,
  TABLE_BYTES,
  tableFor,
  type Partition,
} from "@paddock/wire/gpt.ts";

/**
 * The partition that holds readings and identity. An image has none: the first boot adds and formats it. A block map leaves
 * old bytes where they were, and systemd formats only what has no file system yet, so what was there before is either wiped
 * or kept on purpose.
 */

/** The GPT label of the partition that a gateway makes at its first boot. */
export const DATA_LABEL = "data";
const WIPE_BYTES = 1024 * 1024;

/** The data partition of what is on the disk now; undefined when there is none that can be told. */
export async function dataPartitionOn(disk: DiskFile): Promise<Partition | undefined> {
  const table = readTable(await disk.read(0, TABLE_BYTES));
  return table.ok ? table.value.partitions.find(({ label }) => label === DATA_LABEL) : undefined;
}

/**
 * Puts the backup of the partition table at the disk's end, and keeps the data partition `kept` in the new table, or wipes
 * the beginning of whatever was there. Returns what was done with it. Throws DEVICE_REFUSED when the image reaches into
 * the partition to be kept, IMAGE_INVALID when the image has no partition table.
 */
export async function settleData(
  disk: DiskFile,
  old: Partition | undefined,
  keep: boolean,
): Promise<"kept" | "wiped" | "none"> {
  const table = readTable(await disk.read(0, TABLE_BYTES));
  if (!table.ok) throw new PaddockError("IMAGE_INVALID", `The image is not for this: ${table.detail}`, NOT_OURS);
  const free = firstFreeByte(table.value);
  if (keep && old === undefined) {
    throw new PaddockError("DEVICE_REFUSED", `${disk.path} had no data partition that could be kept.`, {
      remedy: "Flash it without --keep-data.",
    });
  }
  const kept = keep ? [old!.entry] : [];
  const { start, end } = tableFor(table.value, disk.bytes, kept);
  if (!keep) {
    const starts = new Set([free, ...(old === undefined ? [] : [old.firstSector * SECTOR_BYTES])]);
    for (const at of starts) await wipe(disk, at);
  }
  await disk.write(end, Math.floor(disk.bytes / SECTOR_BYTES) * SECTOR_BYTES - BACKUP_BYTES);
  await disk.write(start, 0);
  if (keep) return "kept";
  return old === undefined ? "none" : "wiped";
}

/**
 * Throws DEVICE_REFUSED before anything is written when the old data would not survive an image of these bytes; undefined
 * when nobody knows how many they are.
 */
export function assertKeepable(disk: DiskFile, old: Partition | undefined, imageBytes: number | undefined): void {
  const problem =
    old === undefined
      ? `${disk.path} has no data partition that could be kept.`
      : imageBytes === undefined
        ? "Without its block map (.bmap) nobody knows how far the image reaches, so nothing can be kept."
        : old.firstSector * SECTOR_BYTES < imageBytes - BACKUP_BYTES
          ? `The data partition of ${disk.path} begins inside of what this image writes.`
          : undefined;
  if (problem === undefined) return;
  throw new PaddockError("DEVICE_REFUSED", problem, {
    remedy: "Nothing was written. Save what is on it first, then flash without --keep-data.",
  });
}

async function wipe(disk: DiskFile, at: number): Promise<void> {
  const bytes = Math.min(WIPE_BYTES, disk.bytes - at);
  if (bytes > 0) await disk.write(Buffer.alloc(bytes), at);
}

const NOT_OURS = { remedy: "Take the .raw image of a Paddock release." };
