import { copyFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { flashCommand } from "./flash-command.ts";
import { makeRelease, type ReleaseFixture } from "./testing/release-fixture.ts";

let release: ReleaseFixture;
beforeAll(async () => {
  release = await makeRelease();
});
afterAll(() => rm(release.directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a person would, without a terminal. */
async function flash(...args: string[]): Promise<Ended> {
  const { code, stdout, stderr } = await runInProcess(flashCommand, args);
  return { code, out: stdout, err: stderr };
}

const card = (name: string) => join(release.directory, name);

describe("one gateway", () => {
  test("is written, told and recorded, and --verify-only finds it", async () => {
    const record = card("flashed.jsonl");
    const flashed = await flash(
      release.zst,
      "--to",
      card("one"),
      "--key",
      release.publicKeyFile,
      "--yes",
      "--json",
      "--record",
      record,
    );
    expect(flashed).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(flashed.out)).toMatchObject({ to: card("one"), version: "1.2.3", data: "none" });
    expect(JSON.parse(await readFile(record, "utf8"))).toEqual(JSON.parse(flashed.out));
    expect((await stat(card("one"))).mode & 0o777).toBe(0o600);
    const verified = await flash(release.raw, "--to", card("one"), "--key", release.publicKeyFile, "--verify-only");
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("holds this image") });
  });

  test("a flipped bit in its root is found, one where a gateway writes is told apart", async () => {
    await flash(release.raw, "--to", card("two"), "--unsigned", "--yes");
    const disk = await readFile(card("two"));
    disk[1024 * 1024 + 77]! ^= 1;
    await writeFile(card("two"), disk);
    const changed = await flash(release.raw, "--to", card("two"), "--unsigned", "--verify-only");
    expect(changed.code).toBe(0);
    expect(changed.out).toContain(`esp: differs from byte ${1024 * 1024 + 77} (a gateway writes here itself)`);
    disk[3 * 1024 * 1024 + 99]! ^= 1;
    await writeFile(card("two"), disk);
    const broken = await flash(release.raw, "--to", card("two"), "--unsigned", "--verify-only");
    expect(broken.code).toBe(1);
    expect(broken.out).toContain(`paddock_1.2.3: differs from byte ${3 * 1024 * 1024 + 99}\n`);
  });

  test("an empty disk is not the image", async () => {
    await writeFile(card("empty"), Buffer.alloc(16 * 1024 * 1024));
    const verified = await flash(release.raw, "--to", card("empty"), "--unsigned", "--verify-only", "--json");
    expect(verified.code).toBe(1);
    expect(JSON.parse(verified.out)).toMatchObject({ holds: false });
  });
});

test("a batch of files goes on where its record ends, and faults are told before the first is written", async () => {
  const table = card("units.csv");
  const common = ["--to", card("{hostname}.img"), "--unsigned", "--record", card("batch.jsonl"), "--batch", table];
  await writeFile(table, "hostname,config\nbarn-1,\nbarn-2,nowhere.json\n");
  const refused = await flash(release.raw, ...common);
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringContaining("line 3: --config nowhere.json cannot be read"),
  });
  await expect(stat(card("barn-1.img"))).rejects.toThrow("ENOENT");
  await copyFile(release.raw, card("barn-2.img"));
  await writeFile(card("batch.jsonl"), "");
  await writeFile(
    card("batch.jsonl"),
    `${JSON.stringify({ time: "t", hostname: "barn-2", to: "x", image: "y", sha256: "0", version: "1", data: "none" })}\n`,
  );
  // Another image: its line counts for nothing. Both would get a CONFIG file, which this image has no file system for.
  await writeFile(table, "hostname\nbarn-1\nbarn-2\n");
  const failed = await flash(release.raw, ...common);
  expect(failed).toMatchObject({ code: 2, err: expect.stringContaining("FLASH_FAILED") });
});

test("help, and where it is asked for without a word", async () => {
  expect(await flash("--help")).toMatchObject({ code: 0, out: expect.stringContaining("--keep-data"), err: "" });
  expect(await flash()).toMatchObject({ code: 2, out: expect.stringContaining("paddock flash IMAGE --to DISK") });
});

test.each([
  [["--nonsense"], "Unknown option '--nonsense'"],
  [["IMAGE"], "--to is missing"],
  [["--to", "x"], "Name the image"],
  [["IMAGE", "--to", "x"], "--key is missing"],
  [["IMAGE", "two", "--to", "x"], '"two" is one too many'],
  [["IMAGE", "--to", "x", "--claim", "a", "--new-claim"], "--claim and --new-claim exclude each other"],
  [["IMAGE", "--to", "x", "--unsigned", "--board", "aarch64"], "is not an image for aarch64, but for x86-64"],
  [["IMAGE", "--to", "x", "--unsigned", "--yes", "--board", "arm64"], "is not an image for arm64, but for x86-64"],
  [["IMAGE", "--to", "x", "--unsigned"], "Nobody can be asked here; say --yes"],
  [["IMAGE", "--to", "x", "--unsigned", "--batch", "y", "--label", "one.png"], "put {hostname} into it"],
  [["IMAGE", "--to", "/dev/null", "--unsigned", "--yes"], "neither a disk nor a file"],
] as const)("%j is refused, and nothing is written", async (args, why) => {
  const argv = args.map((arg) => (arg === "IMAGE" ? release.raw : arg === "x" ? card("never") : arg));
  await expect(flashCommand(argv)).rejects.toThrow(why);
  await expect(stat(card("never"))).rejects.toThrow("ENOENT");
});
