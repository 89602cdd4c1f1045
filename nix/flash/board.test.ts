import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { entryOf } from "@paddock/wire/testing/gpt-image.ts";
import { BACKUP_BYTES, readTable, TABLE_BYTES, tableFor } from "@paddock/wire/gpt.ts";
import { releaseOf } from "./board.ts";
import { flashCommand } from "./flash-command.ts";
import { imageOf, makeRelease, PLAN, SECTOR, type ReleaseFixture } from "./testing/release-fixture.ts";

const MIB = 1024 * 1024;
/** Root partitions by the word of the Discoverable Partitions Specification. */
const ROOTS = {
  "x86-64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  arm64: "b921b045-1df0-41c3-af44-4c6f280d3fae",
} as const;
type Board = keyof typeof ROOTS;

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0)) await undo();
});

/** An image whose partitions are for `content`, and whose name says `name`. */
async function released(content: Board, name: string = content): Promise<ReleaseFixture> {
  const release = await makeRelease({ image: imageFor(content), board: name });
  cleanUp.push(() => rm(release.directory, { recursive: true, force: true }));
  return release;
}

const imageFor = (board: Board): Buffer =>
  imageOf([{ label: "paddock_1.2.3", mib: 2, fill: 0x33, type: ROOTS[board] }, ...PLAN.slice(3)]);

/** A disk with a gateway for `board`, its data partition behind the image. */
function gatewayDisk(board: Board): Buffer {
  const disk = Buffer.alloc(14 * MIB, 0xee);
  const table = readTable(imageFor(board).subarray(0, TABLE_BYTES));
  if (!table.ok) throw new Error(table.detail);
  const data = entryOf("data", (9 * MIB) / SECTOR, (13 * MIB) / SECTOR - 1, 0xda);
  const { start, end } = tableFor(table.value, disk.length, [data]);
  disk.set(start, 0);
  disk.set(end, disk.length - BACKUP_BYTES);
  return disk;
}

describe("the name of an image", () => {
  test.each([
    ["paddock_1.2.3_arm64.raw.xz", "arm64"],
    ["paddock_1.2.3_arm64.raw", "aarch64"],
    ["/a/b/paddock_1.2.3_x86-64.raw.zst", "x86_64"],
    ["paddock_1.2.3_x86-64.raw", "amd64"],
  ])("%s is for %s", (image, board) => {
    expect(releaseOf(image, board).version).toBe("1.2.3");
  });

  test.each([
    ["paddock_1.2.3_arm64.raw", "x86-64"],
    ["paddock_1.2.3_arm64.raw", "amd64"],
    ["paddock_1.2.3_x86-64.raw.xz", "aarch64"],
    ["paddock_1.2.3_arm64.raw", "arm"],
    ["some.raw", "arm64"],
  ])("%s is not for %s", (image, board) => {
    expect(() => releaseOf(image, board)).toThrow(`is not an image for ${board}`);
  });
});

describe.each([
  { content: "arm64", name: "x86-64" },
  { content: "x86-64", name: "arm64" },
] as const)("an image for $content that is named as one for $name", ({ content, name }) => {
  test.each(["raw", "zst"] as const)("is refused before anything is written (%s)", async (form) => {
    const release = await released(content, name);
    const card = join(release.directory, "card");
    const args = [release[form], "--to", card, "--key", release.publicKeyFile, "--yes"];
    await expect(flashCommand(args)).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      message: `The image is named as one for ${name}, and its root is for ${content}.`,
    });
    await expect(readFile(card)).rejects.toThrow("ENOENT");
  });
});

test("the data of a gateway for another machine is not kept for this one, and nothing is written", async () => {
  const release = await released("arm64");
  const card = join(release.directory, "card");
  const before = gatewayDisk("x86-64");
  await writeFile(card, before);
  const args = [release.raw, "--to", card, "--unsigned", "--yes"];
  await expect(flashCommand([...args, "--keep-data"])).rejects.toMatchObject({
    code: "DEVICE_REFUSED",
    message: `${card} holds a gateway for x86-64, and the image is for arm64.`,
  });
  expect((await readFile(card)).equals(before)).toBe(true);
  // Without its data the disk may become whatever is wanted.
  expect(await runInProcess(flashCommand, args)).toMatchObject({ code: 0 });
});

test("the data of a gateway for the same machine is kept", async () => {
  const release = await released("arm64");
  const card = join(release.directory, "card");
  await writeFile(card, gatewayDisk("arm64"));
  const args = [release.raw, "--to", card, "--unsigned", "--yes", "--board", "aarch64", "--keep-data"];
  expect(await runInProcess(flashCommand, args)).toMatchObject({ code: 0 });
});
