import { createHash } from "node:crypto";
import { PaddockError } from "@paddock/base/errors.ts";
import type { BlockMap, MappedRange } from "./block-map.ts";
import type { DiskFile } from "./disk-file.ts";
import { BACKUP_BYTES, readTable, SECTOR_BYTES, TABLE_BYTES } from "@paddock/wire/gpt.ts";

const READ_BYTES = 4 << 20;

/** Bytes done of all there are, for whoever draws a bar. */
export type Progress = (done: number, all: number) => void;

/**
 * Partitions with a FAT. Where a map was made from the holes of a sparse file (bmaptool does), blocks of zeros are not
 * mapped; left as they were on a used card, those of a FAT or of the partition table are garbage that is believed.
 */
const WHOLE_PARTITIONS: ReadonlySet<string> = new Set(["esp", "CONFIG"]);

/**
 * Writes the mapped ranges of an image and checks each against its SHA-256 on the way; the partition table and partitions
 * with a FAT are written whole. Without a map every byte is. Returns the map of what was written. Throws IMAGE_INVALID
 * where the image is not what its map says, or has no partition table.
 */
export async function writeImage(
  chunks: AsyncIterable<Uint8Array>,
  map: BlockMap | undefined,
  disk: DiskFile,
  progress: Progress,
): Promise<BlockMap> {
  const written: MappedRange[] = [];
  let at = 0;
  let writer: RangeWriter | undefined;
  for await (const chunk of atLeastAtFirst(TABLE_BYTES, chunks)) {
    const to = at + chunk.length;
    if (to > disk.bytes) throw tooSmall(disk, map?.imageBytes ?? to);
    writer ??= new RangeWriter(map?.ranges ?? [], wholeParts(chunk, map), disk, written);
    await writer.take(chunk, at);
    at = to;
    progress(at, map?.imageBytes ?? at);
  }
  writer?.end();
  if (map !== undefined && at !== map.imageBytes) {
    throw invalid(`The image has ${at} bytes, its block map says ${map.imageBytes}.`);
  }
  return { imageBytes: at, ranges: [...(map?.ranges ?? []), ...written] };
}

/** The same bytes, with at least `bytes` in the first chunk where there are as many. */
async function* atLeastAtFirst(bytes: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first: Uint8Array | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (first === undefined) yield chunk;
    else {
      first = Buffer.concat([first, chunk]);
      if (first.length < bytes) continue;
      yield first;
      first = undefined;
    }
  }
  if (first !== undefined) yield first;
}

interface Interval {
  readonly from: number;
  readonly to: number;
}

/** What is written whether it is mapped or not. */
function wholeParts(head: Uint8Array, map: BlockMap | undefined): Interval[] {
  const table = readTable(head);
  if (!table.ok) {
    throw new PaddockError("IMAGE_INVALID", `This is no image of a disk: ${table.detail}`, {
      remedy: "Take the .raw image of a Paddock release.",
    });
  }
  if (map === undefined) return [{ from: 0, to: Number.POSITIVE_INFINITY }];
  const { partitions } = table.value;
  const first = Math.min(...partitions.map(({ firstSector }) => firstSector * SECTOR_BYTES), map.imageBytes);
  return [
    { from: 0, to: first },
    ...partitions
      .filter(({ label }) => WHOLE_PARTITIONS.has(label))
      .map(({ firstSector, lastSector }) => ({
        from: firstSector * SECTOR_BYTES,
        to: (lastSector + 1) * SECTOR_BYTES,
      })),
    { from: map.imageBytes - BACKUP_BYTES, to: map.imageBytes },
  ];
}

/** Throws DEVICE_REFUSED for a disk that the image does not fit on, before anything is written. */
export function assertFits(disk: DiskFile, imageBytes: number): void {
  if (disk.bytes < imageBytes) throw tooSmall(disk, imageBytes);
}

function tooSmall(disk: DiskFile, imageBytes: number): PaddockError {
  return new PaddockError("DEVICE_REFUSED", `${disk.path} has ${disk.bytes} bytes; the image needs ${imageBytes}.`, {
    remedy: "Take a larger disk.",
  });
}

/** Cuts what streams by into the ranges of the map, and what lies between them. */
class RangeWriter {
  readonly #ranges: readonly MappedRange[];
  readonly #whole: readonly Interval[];
  readonly #disk: DiskFile;
  /** Takes what was written between the ranges. */
  readonly #between: MappedRange[];
  #current = 0;
  #hash = createHash("sha256");

  constructor(ranges: readonly MappedRange[], whole: readonly Interval[], disk: DiskFile, between: MappedRange[]) {
    this.#ranges = ranges;
    this.#whole = whole;
    this.#disk = disk;
    this.#between = between;
  }

  async take(chunk: Uint8Array, at: number): Promise<void> {
    const end = at + chunk.length;
    let done = at;
    for (let range = this.#ranges[this.#current]; range !== undefined && range.from < end;) {
      const from = Math.max(range.from, at);
      await this.#writeBetween(chunk, at, { from: done, to: from });
      done = Math.min(range.to, end);
      const part = chunk.subarray(from - at, done - at);
      this.#hash.update(part);
      await this.#disk.write(part, from);
      if (range.to > end) return;
      this.#finish(range);
      range = this.#ranges[this.#current];
    }
    await this.#writeBetween(chunk, at, { from: done, to: end });
  }

  /** Every range has to have come by. */
  end(): void {
    const missing = this.#ranges[this.#current];
    if (missing !== undefined) throw invalid(`The image ends before byte ${missing.to}, which its block map names.`);
  }

  async #writeBetween(chunk: Uint8Array, at: number, gap: Interval): Promise<void> {
    for (const whole of this.#whole) {
      const from = Math.max(gap.from, whole.from);
      const to = Math.min(gap.to, whole.to);
      if (from >= to) continue;
      const part = chunk.subarray(from - at, to - at);
      await this.#disk.write(part, from);
      this.#between.push({ from, to, sha256: createHash("sha256").update(part).digest("hex") });
    }
  }

  #finish(range: MappedRange): void {
    const digest = this.#hash.digest("hex");
    if (digest !== range.sha256) {
      throw invalid(`Bytes ${range.from} to ${range.to - 1} of the image are not those of its block map.`);
    }
    this.#hash = createHash("sha256");
    this.#current++;
  }
}

/**
 * Reads back what was written. Throws FLASH_FAILED with the first place that is not what was written: a
 * worn or counterfeit card.
 */
export async function readBack(map: BlockMap, disk: DiskFile, progress: Progress): Promise<void> {
  const all = map.ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  let done = 0;
  for (const range of map.ranges) {
    const hash = createHash("sha256");
    for (let at = range.from; at < range.to; at += READ_BYTES) {
      const bytes = await disk.read(at, Math.min(READ_BYTES, range.to - at));
      hash.update(bytes);
      progress((done += bytes.length), all);
    }
    if (hash.digest("hex") !== range.sha256) {
      throw new PaddockError(
        "FLASH_FAILED",
        `Bytes ${range.from} to ${range.to - 1} of ${disk.path} do not read back as they were written.`,
        { remedy: "The disk is worn out, or smaller than it says: take another one." },
      );
    }
  }
}

function invalid(message: string): PaddockError {
  return new PaddockError("IMAGE_INVALID", message, { remedy: "Download the image again, with all files beside it." });
}
