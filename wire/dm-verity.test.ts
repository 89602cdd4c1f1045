import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dataBlocksOf, VerityBuilder, verityBytes, VERITY_BLOCK_BYTES } from "./dm-verity.ts";

const PARTS = {
  salt: Buffer.from("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "hex"),
  uuid: Buffer.from("6ba7b8109dad81d180b400c04fd430c8", "hex"),
};

function fileOf(blocks: number): Buffer {
  const file = Buffer.alloc(blocks * VERITY_BLOCK_BYTES);
  for (let block = 0; block < blocks; block++)
    file.writeUInt32LE((block * 2_654_435 + 1) >>> 0, block * VERITY_BLOCK_BYTES);
  return file;
}

function treeOf(file: Buffer) {
  const builder = new VerityBuilder(file.length / VERITY_BLOCK_BYTES, PARTS);
  builder.add(file.subarray(0, 5 * VERITY_BLOCK_BYTES));
  builder.add(file.subarray(5 * VERITY_BLOCK_BYTES));
  return builder.finish();
}

const hasVeritysetup = process.env["PATH"]!.split(":")
  .concat("/usr/sbin", "/sbin")
  .some((folder) => {
    try {
      execFileSync(join(folder, "veritysetup"), ["--version"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });

test.each([[7], [128], [129], [16_385]])("a tree over %i blocks is what veritysetup writes", async (blocks) => {
  const file = fileOf(blocks);
  const { rootHash, bytes } = treeOf(file);
  expect(bytes.length).toBe(verityBytes(blocks));
  expect(dataBlocksOf(bytes)).toBe(blocks);
  if (!hasVeritysetup) return;
  const folder = await mkdtemp(join(tmpdir(), "paddock-verity-"));
  try {
    await writeFile(join(folder, "data"), file);
    await writeFile(join(folder, "hashes"), "");
    const said = execFileSync(
      "veritysetup",
      [
        "format",
        "--uuid=6ba7b810-9dad-81d1-80b4-00c04fd430c8",
        `--salt=${PARTS.salt.toString("hex")}`,
        "data",
        "hashes",
      ],
      { cwd: folder, encoding: "utf8", env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` } },
    );
    expect(said).toContain(rootHash.toString("hex"));
    expect((await readFile(join(folder, "hashes"))).equals(bytes)).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("of what is no header there are no blocks", () => {
  expect(dataBlocksOf(Buffer.alloc(VERITY_BLOCK_BYTES))).toBeUndefined();
  expect(dataBlocksOf(Buffer.alloc(3))).toBeUndefined();
});

test("a file of another length than announced has no tree", () => {
  expect(() => new VerityBuilder(3, PARTS).finish()).toThrow(RangeError);
});
