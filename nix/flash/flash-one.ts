import { PaddockError } from "@paddock/base/errors.ts";
import type { Target } from "./block-devices.ts";
import { assertSameBoard } from "./board.ts";
import { readBlockMap, type BlockMap } from "./block-map.ts";
import type { Unit } from "./config-files.ts";
import { assertMtools, putConfigFiles } from "./config-partition.ts";
import { assertKeepable, dataPartitionOn, settleData } from "./data-partition.ts";
import { DiskFile } from "./disk-file.ts";
import { imageChunks } from "./image-stream.ts";
import type { CheckedRelease } from "./release-files.ts";
import { assertFits, readBack, writeImage, type Progress } from "./write-image.ts";

export interface FlashOrder {
  /** Path of the image file, which `release` was checked for. */
  readonly image: string;
  readonly release: CheckedRelease;
  /** What the image is for, as its name says: x86-64, arm64, or "unknown". */
  readonly board: string;
  readonly target: Target;
  readonly unit: Unit;
  readonly keepData: boolean;
  readonly progress: (step: "write" | "read-back") => Progress;
}

/**
 * Writes one image to one disk: mapped blocks, read back, partition table and data settled, CONFIG filled. What can be
 * refused is refused before the first byte. Returns what became of the data partition.
 */
export async function flashOne(order: FlashOrder): Promise<"kept" | "wiped" | "none"> {
  const map = mapOf(order.release);
  if (order.unit.files.size > 0) await assertMtools();
  const disk = await DiskFile.open(order.target, { atLeastBytes: map?.imageBytes ?? 0, write: true });
  let data: "kept" | "wiped" | "none";
  try {
    const old = await dataPartitionOn(disk);
    if (map !== undefined) assertFits(disk, map.imageBytes);
    if (order.keepData) {
      assertKeepable(disk, old, map?.imageBytes);
      await assertSameBoard(disk, order.board);
    }
    const written = await writeImage(imageChunks(order.image), map, disk, order.progress("write"));
    await disk.settle();
    await readBack(written, disk, order.progress("read-back"));
    data = await settleData(disk, old, order.keepData);
    await disk.settle();
    if (order.unit.files.size > 0) await putConfigFiles(disk, order.unit.files);
  } finally {
    await disk.close();
  }
  return data;
}

export function mapOf(release: CheckedRelease): BlockMap | undefined {
  if (release.blockMap === undefined) return undefined;
  const map = readBlockMap(release.blockMap);
  if (map.ok) return map.value;
  throw new PaddockError("IMAGE_INVALID", map.detail, { remedy: "Download the image with all files beside it again." });
}
