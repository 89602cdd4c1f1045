import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readBlockMap } from "../flash/block-map.ts";
import { blockMapOf, mappedRanges } from "./block-map.ts";
import { imageBytesOf, partitionsOf } from "./disk.ts";
import { FixedIds } from "./fixed-ids.ts";

const MIB = 1024 * 1024;
const partitions = partitionsOf({
  version: "0.1.0",
  ids: new FixedIds("0.1.0", "x86-64"),
  files: { esp: "esp", config: "config", root: "root", verity: "verity" },
  rootHash: "ab".repeat(32),
});

let directory: string;
let image: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-block-map-"));
  image = join(directory, "image");
  await writeFile(image, "");
  await truncate(image, imageBytesOf(partitions));
});
afterEach(() => rm(directory, { recursive: true }));

test("everything up to the last byte of a partition is mapped, zeros in between too; empty slots are not", async () => {
  const [esp, , root] = partitions;
  const total = imageBytesOf(partitions);
  const file = await open(image, "r+");
  // A FAT: zeros that must be written, then a file.
  for (const at of [esp!.start, esp!.start + 5 * MIB + 17, root!.start + root!.size - 1])
    await file.write(Uint8Array.of(1), 0, 1, at);
  await file.close();
  expect(await mappedRanges(image, partitions)).toEqual([
    { from: 0, to: MIB },
    { from: esp!.start, to: esp!.start + 5 * MIB + 4096 },
    { from: root!.start, to: root!.start + root!.size },
    { from: total - MIB, to: total },
  ]);
});

test("the flasher reads the map that is written, with the same ranges", async () => {
  const bytes = imageBytesOf(partitions);
  const ranges = [
    { from: 0, to: MIB },
    { from: 2 * MIB, to: 2 * MIB + 4096 },
    { from: bytes - MIB, to: bytes },
  ];
  const map = readBlockMap(await blockMapOf(image, bytes, ranges));
  expect(map).toMatchObject({ ok: true, value: { imageBytes: bytes } });
  if (map.ok) expect(map.value.ranges.map(({ from, to }) => ({ from, to }))).toEqual(ranges);
});
