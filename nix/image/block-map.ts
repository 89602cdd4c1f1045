import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { imageBytesOf, type Partition } from "./disk.ts";

const BLOCK = 4096;
const MIB = 1024 * 1024;
const NO_CHECKSUM = "0".repeat(64);

/** Bytes from `from` to before `to` that have to be written for the image to be whole. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * What of an image must be on a device: both partition tables, and of each partition that holds something everything up
 * to its last byte that is not zero. Zeros in between count: they are what makes a FAT empty where the device held
 * something older.
 */
export async function mappedRanges(image: string, partitions: readonly Partition[]): Promise<Range[]> {
  const total = imageBytesOf(partitions);
  const ranges: Range[] = [{ from: 0, to: partitions[0]!.start }];
  for (const { start, size, file } of partitions) {
    if (file === undefined) continue;
    const to = await endOfContent(image, start, start + size);
    if (to > start) ranges.push({ from: start, to });
  }
  ranges.push({ from: total - MIB, to: total });
  return ranges;
}

/** A block map as bmaptool reads it, format 2.0. */
export async function blockMapOf(image: string, bytes: number, ranges: readonly Range[]): Promise<string> {
  const lines: string[] = [];
  let mapped = 0;
  for (const { from, to } of ranges) {
    const [first, last] = [from / BLOCK, Math.ceil(to / BLOCK) - 1];
    mapped += last - first + 1;
    const sha256 = await hashOf(image, from, Math.min((last + 1) * BLOCK, bytes));
    lines.push(`        <Range chksum="${sha256}"> ${first}-${last} </Range>`);
  }
  const text = [
    '<?xml version="1.0" ?>',
    '<bmap version="2.0">',
    `    <ImageSize> ${bytes} </ImageSize>`,
    `    <BlockSize> ${BLOCK} </BlockSize>`,
    `    <BlocksCount> ${Math.ceil(bytes / BLOCK)} </BlocksCount>`,
    `    <MappedBlocksCount> ${mapped} </MappedBlocksCount>`,
    "    <ChecksumType> sha256 </ChecksumType>",
    `    <BmapFileChecksum> ${NO_CHECKSUM} </BmapFileChecksum>`,
    "    <BlockMap>",
    ...lines,
    "    </BlockMap>",
    "</bmap>",
    "",
  ].join("\n");
  return text.replace(NO_CHECKSUM, createHash("sha256").update(text).digest("hex"));
}

async function endOfContent(image: string, from: number, to: number): Promise<number> {
  const file = await open(image, "r");
  try {
    const block = Buffer.alloc(MIB);
    const zeros = Buffer.alloc(MIB);
    for (let at = to - MIB; at >= from; at -= MIB) {
      await file.read(block, 0, MIB, at);
      if (block.equals(zeros)) continue;
      return at + Math.ceil((block.findLastIndex((byte) => byte !== 0) + 1) / BLOCK) * BLOCK;
    }
    return from;
  } finally {
    await file.close();
  }
}

async function hashOf(image: string, from: number, to: number): Promise<string> {
  const file = await open(image, "r");
  const hash = createHash("sha256");
  for await (const chunk of file.createReadStream({ start: from, end: to - 1, highWaterMark: MIB }))
    hash.update(chunk as Buffer);
  return hash.digest("hex");
}
