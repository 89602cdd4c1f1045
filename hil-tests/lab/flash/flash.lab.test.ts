/*
 * `paddock flash` onto loop devices, which keep old bytes as a card does and a file does not: an image made by sfdisk,
 * mkfs.vfat, bmaptool, xz and openssl, looked at afterwards by sfdisk, fsck.fat, blkid and mtools.
 *
 *     node --test hil-tests/lab/flash/flash.lab.test.ts
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { missingForLab } from "../namespaces.ts";

const ROOT = join(import.meta.dirname, "../../..");
const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB;
const PARTITIONS = `label: gpt
start=1MiB, size=34MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="esp"
size=16MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="CONFIG"
size=4MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="paddock_1.2.3"
size=1MiB, type=2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5, name="paddock_1.2.3_verity"
size=4MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="_empty"
size=1MiB, type=2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5, name="_empty"
`;
/** Behind the last of them. */
const FREE = 61 * MIB;
const IMAGE_BYTES = 62 * MIB;

const directory = mkdtempSync(join(tmpdir(), "paddock-flash-lab-"));
const image = join(directory, "paddock_1.2.3_x86-64.raw");
const key = join(directory, "release.pub.pem");
const undo: (() => void)[] = [];

const run = (program: string, args: readonly string[], input?: string): string =>
  execFileSync(program, args, { cwd: directory, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], input });

before(() => {
  const tools = "losetup sfdisk mkfs.vfat fsck.fat mkfs.ext4 blkid mcopy bmaptool xz openssl lsblk blockdev".split(" ");
  assert.deepEqual(missingForLab(tools), []);
  makeRelease();
});
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** An image as a builder makes it: sparse, so that bmaptool maps no block of zeros, also where a FAT has them. */
function makeRelease(): void {
  writeFileSync(image, "");
  truncateSync(image, IMAGE_BYTES);
  run("sfdisk", ["--quiet", image], PARTITIONS);
  for (const [at, mib, label] of [
    [1, 34, "ESP"],
    [35, 16, "CONFIG"],
  ] as const) {
    const part = join(directory, "part");
    writeFileSync(part, "");
    truncateSync(part, mib * MIB);
    run("mkfs.vfat", ["-n", label, part]);
    run("dd", [`if=${part}`, `of=${image}`, "bs=4k", `seek=${at * 256}`, "conv=notrunc,sparse", "status=none"]);
    rmSync(part);
  }
  writeFileSync(join(directory, "root"), Buffer.alloc(3 * MIB, "root"));
  run("dd", ["if=root", `of=${image}`, "bs=1M", "seek=51", "conv=notrunc", "status=none"]);
  run("bmaptool", ["--quiet", "create", "-o", `${image}.bmap`, image]);
  run("xz", ["--keep", "-1", "--threads=1", image]);
  run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "release.pem"]);
  run("openssl", ["pkey", "-in", "release.pem", "-pubout", "-out", key]);
  const sums = run("sh", ["-c", "sha256sum paddock_*"]);
  writeFileSync(join(directory, "SHA256SUMS"), sums);
  const sign = ["pkeyutl", "-sign", "-inkey", "release.pem", "-rawin", "-in", "SHA256SUMS", "-out", "SHA256SUMS.sig"];
  run("openssl", sign);
}

/** A loop device over a file full of what an earlier owner left. */
function card({ bytes = DISK_BYTES, within = directory } = {}): string {
  const file = join(within, `card-${undo.length}-${process.hrtime.bigint()}`);
  writeFileSync(file, within === directory ? Buffer.alloc(bytes, 0xee) : "");
  truncateSync(file, bytes);
  const device = run("losetup", ["--find", "--show", file]).trim();
  undo.push(() => {
    run("losetup", ["--detach", device]);
    rmSync(file);
  });
  return device;
}

/** Puts an older install onto a card: a data partition with readings at a place of its own. */
function olderInstall(device: string): { readonly label: string; readonly at: number } {
  const at = 70 * MIB;
  run("sfdisk", ["--quiet", device], `${PARTITIONS}start=${at / MIB}MiB, size=16MiB, name="data"\n`);
  const part = join(directory, "data");
  writeFileSync(part, "");
  truncateSync(part, 16 * MIB);
  run("mkfs.ext4", ["-q", "-L", "readings", part]);
  run("dd", [`if=${part}`, `of=${device}`, "bs=1M", `seek=${at / MIB}`, "conv=notrunc", "status=none"]);
  rmSync(part);
  return { label: "readings", at };
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function flash(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(join(ROOT, "paddock"), ["flash", ...args], { cwd: directory }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
    child.stdin?.end();
  });
}

/** What blkid finds at a place of a disk, whatever the partition table says. */
function fileSystemAt(device: string, at: number): string {
  try {
    return run("blkid", ["-p", "-O", String(at), "-o", "value", "-s", "LABEL", device]).trim();
  } catch {
    return "";
  }
}

/** fsck.fat of a partition, which must find nothing to mend. */
function assertCleanFat(device: string, at: number, mib: number): void {
  const copy = join(directory, "fat");
  run("dd", [`if=${device}`, `of=${copy}`, "bs=1M", `skip=${at}`, `count=${mib}`, "status=none"]);
  run("fsck.fat", ["-n", copy]);
  rmSync(copy);
}

void test("a used card becomes the image: table and FATs are whole, and nothing old is left to be found", async () => {
  const device = card();
  const old = olderInstall(device);
  assert.equal(fileSystemAt(device, old.at), old.label);
  const ended = await flash(
    `${image}.xz`,
    "--to",
    device,
    "--key",
    key,
    "--yes",
    "--hostname",
    "barn-3",
    "--new-claim",
  );
  assert.deepEqual([ended.code, ended.err], [0, ""], ended.err);
  assert.match(ended.out, /What it held before is given up/u);
  run("sfdisk", ["--verify", device]);
  const names = run("sfdisk", ["--dump", device]).match(/(?<=name=")[^"]*/gu);
  assert.deepEqual(names, ["esp", "CONFIG", "paddock_1.2.3", "paddock_1.2.3_verity", "_empty", "_empty"]);
  assertCleanFat(device, 1, 34);
  assertCleanFat(device, 35, 16);
  for (const at of [old.at, FREE]) assert.equal(fileSystemAt(device, at), "");
  assert.equal(run("mtype", ["-i", `${device}@@${35 * MIB}`, "::/hostname"]), "barn-3\n");
  const claim = /claim code (\S+);/u.exec(ended.out)?.[1];
  assert.equal(run("mtype", ["-i", `${device}@@${35 * MIB}`, "::/claim.txt"]), `${claim}\n`);
  const verified = await flash(image, "--to", device, "--key", key, "--verify-only");
  assert.equal(verified.code, 0, verified.out);
  assert.match(verified.out, /CONFIG: differs from byte \d+ \(a gateway writes here itself\)/u);
});

void test("with --keep-data the readings stay where they were, and the new table has them", async () => {
  const device = card();
  const old = olderInstall(device);
  const ended = await flash(image, "--to", device, "--key", key, "--yes", "--keep-data");
  assert.equal(ended.code, 0, ended.err);
  run("sfdisk", ["--verify", device]);
  assert.equal(fileSystemAt(device, old.at), old.label);
  assert.match(run("sfdisk", ["--dump", device]), new RegExp(`start= *${old.at / 512}, .*name="data"`, "u"));
});

void test("what is mounted is not touched", async () => {
  const device = card();
  run("mkfs.ext4", ["-q", "-F", device]);
  const place = join(directory, "mounted");
  mkdirSync(place);
  run("mount", [device, place]);
  undo.push(() => run("umount", [place]));
  const superblock = readFileSync(device).subarray(0, 1024);
  const ended = await flash(image, "--to", device, "--key", key, "--yes");
  assert.equal(ended.code, 2);
  assert.match(ended.err, /DEVICE_REFUSED: .* it is mounted at .*mounted/u);
  assert.deepEqual(readFileSync(device).subarray(0, 1024), superblock);
  assert.match((await flash("--list")).out, new RegExp(`${device} .*\\(no: it is mounted`, "u"));
});

void test("a card that is too small is refused before it is written", async () => {
  const device = card({ bytes: 32 * MIB });
  const ended = await flash(image, "--to", device, "--key", key, "--yes");
  assert.equal(ended.code, 2);
  assert.match(ended.err, /DEVICE_REFUSED: .* has 33554432 bytes; the image needs 65011712/u);
  assert.ok(readFileSync(device).every((byte) => byte === 0xee));
});

void test("a card that fails in the middle is told, with what to do", async () => {
  // The card's blocks are not there when they are written: the file behind it stands on a full disk.
  const place = join(directory, "small");
  mkdirSync(place);
  run("mount", ["-t", "tmpfs", "-o", "size=2m", "none", place]);
  undo.push(() => run("umount", [place]));
  const device = card({ within: place });
  const ended = await flash(image, "--to", device, "--key", key, "--yes");
  assert.equal(ended.code, 2, ended.out);
  assert.match(ended.err, /FLASH_FAILED: .* It does not hold a usable image\. Plug it in again/u);
});

void test("a changed image, and one that another key signed, are refused before the card is opened", async () => {
  const device = card();
  run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", "other.pem"]);
  run("openssl", ["pkey", "-in", "other.pem", "-pubout", "-out", "other.pub.pem"]);
  const stranger = await flash(image, "--to", device, "--key", "other.pub.pem", "--yes");
  assert.equal(stranger.code, 2);
  assert.match(stranger.err, /IMAGE_INVALID: .* is not signed by the key that you gave/u);
  const changed = join(directory, "changed");
  mkdirSync(changed);
  run("sh", ["-c", `cp --sparse=always ${image} ${image}.bmap SHA256SUMS SHA256SUMS.sig ${changed}`]);
  const copy = join(changed, "paddock_1.2.3_x86-64.raw");
  run("sh", ["-c", `printf x | dd of=${copy} bs=1 seek=55000000 conv=notrunc status=none`]);
  const ended = await flash(copy, "--to", device, "--key", key, "--yes");
  assert.equal(ended.code, 2);
  assert.match(ended.err, /IMAGE_INVALID: .* but SHA256SUMS says/u);
  assert.ok(readFileSync(device).every((byte) => byte === 0xee));
});
