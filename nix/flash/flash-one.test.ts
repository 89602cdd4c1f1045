import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { unitOf } from "./config-files.ts";
import { DiskFile } from "./disk-file.ts";
import { flashOne, mapOf } from "./flash-one.ts";
import { entryOf } from "@paddock/wire/testing/gpt-image.ts";
import { BACKUP_BYTES, firstFreeByte, readTable, TABLE_BYTES, tableFor } from "@paddock/wire/gpt.ts";
import { checkRelease, readReleaseKey } from "./release-files.ts";
import { readBack } from "./write-image.ts";
import { imageOf, makeRelease, PLAN, SECTOR, type ReleaseFixture } from "./testing/release-fixture.ts";

const MIB = 1024 * 1024;
/** Where the image's last partition ends. */
const FREE = 8 * MIB;
/** Bytes of the disk that is written to, and where its data partition of 4 MiB begins. */
const CARD = 16 * MIB;
const DATA_AT = 11 * MIB;
const cleanUp: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const undo of cleanUp.splice(0)) await undo();
});

async function released(options: Parameters<typeof makeRelease>[0] = {}): Promise<ReleaseFixture> {
  const release = await makeRelease(options);
  cleanUp.push(() => rm(release.directory, { recursive: true, force: true }));
  return release;
}

async function flash(release: ReleaseFixture, path: string, { image = release.raw, keepData = false } = {}) {
  const key = await readReleaseKey(release.publicKeyFile);
  return flashOne({
    image,
    release: await checkRelease(image, { key }),
    board: "x86-64",
    target: { kind: "file", path },
    unit: unitOf({}),
    keepData,
    progress: () => () => {},
  });
}

/** A disk that an older release was on: its table has a data partition, and old bytes stand everywhere. */
function usedDisk(bytes: number, dataAt: number): Buffer {
  const image = imageOf();
  const disk = Buffer.alloc(bytes, 0xee);
  const table = readTable(image.subarray(0, TABLE_BYTES));
  if (!table.ok) throw new Error(table.detail);
  const data = entryOf("data", dataAt / SECTOR, dataAt / SECTOR + (4 * MIB) / SECTOR - 1, 0xda);
  const { start, end } = tableFor(table.value, bytes, [data]);
  disk.set(start, 0);
  disk.set(end, bytes - BACKUP_BYTES);
  return disk;
}

describe.each([
  { title: "by its block map", withMap: true, packed: false },
  { title: "without a block map", withMap: false, packed: false },
  { title: "packed, by its block map", withMap: true, packed: true },
  { title: "packed, without a block map", withMap: false, packed: true },
])("an image $title", ({ withMap, packed }) => {
  test("is on the disk, and the table's backup at the disk's real end", async () => {
    const release = await released({ withMap });
    const path = join(release.directory, "card");
    await writeFile(path, Buffer.alloc(CARD, 0xee));
    expect(await flash(release, path, { image: packed ? release.zst : release.raw })).toBe("none");
    const disk = await readFile(path);
    for (const { firstSector, lastSector, label } of partitionsOf(release.image)) {
      // What the map leaves out may stay as it was, but not where it would be believed.
      if (label === "_empty" && withMap) continue;
      const [from, to] = [firstSector * SECTOR, (lastSector + 1) * SECTOR];
      expect(disk.subarray(from, to).equals(release.image.subarray(from, to)), label).toBe(true);
    }
    const header = disk.subarray(SECTOR, 2 * SECTOR);
    expect(header.readBigUInt64LE(32)).toBe(BigInt(disk.length / SECTOR - 1));
    expect(header.readBigUInt64LE(48)).toBe(BigInt(disk.length / SECTOR - 34));
    const backup = disk.subarray(-SECTOR);
    expect(backup.toString("latin1", 0, 8)).toBe("EFI PART");
    expect(backup.readBigUInt64LE(24)).toBe(BigInt(disk.length / SECTOR - 1));
    expect(disk.subarray(-BACKUP_BYTES, -SECTOR).equals(disk.subarray(2 * SECTOR, TABLE_BYTES))).toBe(true);
  });
});

test("old data is wiped where it was and where the first boot will make it", async () => {
  const release = await released();
  const path = join(release.directory, "card");
  await writeFile(path, usedDisk(CARD, DATA_AT));
  expect(await flash(release, path)).toBe("wiped");
  const disk = await readFile(path);
  expect(partitionsOf(disk).map(({ label }) => label)).toEqual(PLAN.map(({ label }) => label));
  expect(firstFreeByte(tableOf(disk))).toBe(FREE);
  for (const at of [FREE, DATA_AT]) expect(disk.subarray(at, at + MIB).every((byte) => byte === 0)).toBe(true);
});

test("data that is to be kept stays in the table, byte for byte", async () => {
  const release = await released();
  const path = join(release.directory, "card");
  const before = usedDisk(CARD, DATA_AT);
  await writeFile(path, before);
  expect(await flash(release, path, { keepData: true })).toBe("kept");
  const disk = await readFile(path);
  const data = partitionsOf(disk).find(({ label }) => label === "data")!;
  expect([data.firstSector * SECTOR, (data.lastSector + 1) * SECTOR]).toEqual([DATA_AT, DATA_AT + 4 * MIB]);
  expect(data.entry).toEqual(partitionsOf(before).find(({ label }) => label === "data")!.entry);
  expect(disk.subarray(10 * MIB, CARD - MIB).equals(before.subarray(10 * MIB, CARD - MIB))).toBe(true);
});

test.each([
  { title: "a disk without data to keep", disk: () => Buffer.alloc(CARD, 0xee), keepData: true, why: /no data/u },
  {
    title: "data that begins inside of what is written",
    disk: () => usedDisk(CARD, 8 * MIB - MIB),
    keepData: true,
    why: /inside/u,
  },
])("refuses $title and writes nothing", async ({ disk, keepData, why }) => {
  const release = await released();
  const path = join(release.directory, "card");
  const before = disk();
  await writeFile(path, before);
  await expect(flash(release, path, { keepData })).rejects.toMatchObject({
    code: "DEVICE_REFUSED",
    message: expect.stringMatching(why),
  });
  expect((await readFile(path)).equals(before)).toBe(true);
});

test("keeps nothing where no block map says how far the image reaches, and writes nothing", async () => {
  const release = await released({ withMap: false });
  const path = join(release.directory, "card");
  const before = usedDisk(CARD, DATA_AT);
  await writeFile(path, before);
  await expect(flash(release, path, { keepData: true })).rejects.toThrow("Without its block map");
  expect((await readFile(path)).equals(before)).toBe(true);
});

test("an image that is not what its signed map says is refused while it is written", async () => {
  const release = await released();
  const other = Buffer.from(release.image);
  other[3 * MIB + 5]! ^= 1;
  await writeFile(release.raw, other);
  const map = await readFile(`${release.raw}.bmap`);
  await release.sums({ "paddock_1.2.3_x86-64.raw": other, "paddock_1.2.3_x86-64.raw.bmap": map });
  await expect(flash(release, join(release.directory, "card"))).rejects.toMatchObject({
    code: "IMAGE_INVALID",
    message: expect.stringContaining("block map"),
  });
});

test("a cut image is refused before anything is written", async () => {
  const release = await released();
  await truncate(release.raw, 4 * MIB);
  await expect(flash(release, join(release.directory, "card"))).rejects.toMatchObject({
    code: "IMAGE_INVALID",
    message: expect.stringContaining("SHA256SUMS says"),
  });
  await expect(readFile(join(release.directory, "card"))).rejects.toThrow("ENOENT");
});

test("a file without a partition table is no image of ours", async () => {
  const release = await released({ image: Buffer.alloc(2 * MIB, 7) });
  await expect(flash(release, join(release.directory, "card"))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
});

test("a card that does not give back what was written is told, with the place", async () => {
  const release = await released();
  const path = join(release.directory, "card");
  await flash(release, path);
  const bytes = await readFile(path);
  bytes[3 * MIB + 12_345]! ^= 1;
  await writeFile(path, bytes);
  const map = mapOf(await checkRelease(release.raw, { key: undefined }))!;
  const disk = await DiskFile.open({ kind: "file", path });
  await expect(readBack(map, disk, () => {})).rejects.toMatchObject({
    code: "FLASH_FAILED",
    message: expect.stringContaining("do not read back as they were written"),
  });
  await disk.close();
});

function tableOf(disk: Buffer) {
  const table = readTable(disk.subarray(0, TABLE_BYTES));
  if (!table.ok) throw new Error(table.detail);
  return table.value;
}

function partitionsOf(disk: Buffer) {
  return tableOf(disk).partitions;
}
