/*
 * What the gateway's commands do to disks, on what others made: a factory reset of a block device with a file system on it,
 * and an update of a disk that sfdisk has partitioned.
 *
 *     node --test hil-tests/lab/device/device.lab.test.ts
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { applyRelease } from "@paddock/gateway/update/apply.ts";
import { applyOptions, makeDevice, nextRelease } from "@paddock/gateway/update/testing/test-device.ts";
import { encodeHead, HEAD_BYTES, judgeHead, KEY_BYTES } from "@paddock/wire/key-slot.ts";
import { missingForLab } from "../namespaces.ts";

const MAIN = join(import.meta.dirname, "../../../gateway/main.ts");
const READING = "reading-of-the-north-barn-21.5";
const MIB = 1024 * 1024;

const directory = mkdtempSync(join(tmpdir(), "paddock-device-lab-"));
before(() => assert.deepEqual(missingForLab(["losetup", "sfdisk", "mkfs.ext4", "blockdev"]), []));
after(() => rmSync(directory, { recursive: true, force: true }));

const fed = (input: string, program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: "pipe", input });
const run = (program: string, ...args: readonly string[]): string => fed("", program, ...args);

void test("a factory reset leaves no reading on a block device that had a file system with readings", () => {
  const [file, readings] = [join(directory, "data.img"), join(directory, "readings")];
  mkdirSync(readings);
  writeFileSync(join(readings, "a.ldb"), READING.repeat(1000));
  // Of a size that no large write divides.
  closeSync(openSync(file, "w"));
  truncateSync(file, 16 * MIB + 12 * 1024);
  run("mkfs.ext4", "-q", "-F", "-d", readings, file);
  assert.ok(readFileSync(file).includes(READING));
  const device = run("losetup", "--find", "--show", file).trim();
  try {
    assert.match(run(process.execPath, MAIN, "factory-reset", "--erase", device), /reads as zeros/u);
    run("blockdev", "--flushbufs", device);
  } finally {
    run("losetup", "--detach", device);
  }
  const left = readFileSync(file);
  assert.deepEqual(judgeHead(left), { kind: "slot", slot: { keeper: "none" } });
  assert.ok(left.subarray(HEAD_BYTES).equals(Buffer.alloc(16 * MIB + 12 * 1024 - HEAD_BYTES)));
});

void test("the key of an encrypted data partition is read back from a block device's own bytes once it is destroyed", () => {
  const file = join(directory, "encrypted.img");
  const [key, data] = [randomBytes(KEY_BYTES), randomBytes(15 * MIB)];
  const head = encodeHead({ keeper: "disk", key });
  writeFileSync(file, Buffer.concat([head, Buffer.alloc(HEAD_BYTES - head.length), data]));
  const device = run("losetup", "--find", "--show", file).trim();
  try {
    const told = run(process.execPath, MAIN, "factory-reset", "--erase", device);
    assert.match(told, /is given back to the disk\n.*the key of \S+ is destroyed/u);
  } finally {
    run("losetup", "--detach", device);
  }
  const left = readFileSync(file);
  assert.deepEqual(judgeHead(left), { kind: "slot", slot: { keeper: "none" } });
  assert.ok(!left.includes(key.toString("hex")));
});

void test("an update takes a partition table of sfdisk's, and sfdisk finds nothing wrong with it afterwards", async () => {
  const device = await makeDevice();
  try {
    const next = await nextRelease(device);
    const slots = ["paddock_1.0.0", "paddock_1.0.0_verity", "_empty", "_empty"];
    const table = ["label: gpt", ",1MiB,,", ",1MiB,,", ...slots.map((name) => `size=1MiB, name=${name}`), ""].join(
      "\n",
    );
    fed(table, "sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", device.disk);
    await applyRelease(applyOptions(device, { file: await device.put(next) }));
    const { partitiontable } = JSON.parse(run("sfdisk", "--json", device.disk)) as {
      partitiontable: { partitions: { name: string; uuid: string }[] };
    };
    const [root, verity] = partitiontable.partitions.slice(4);
    assert.deepEqual([root!.name, verity!.name], ["paddock_1.1.0", "paddock_1.1.0_verity"]);
    const uuids = [root!, verity!].map(({ uuid }) => uuid.replaceAll("-", "").toLowerCase()).join("");
    assert.equal(uuids, Buffer.from(next.manifest.root.rootHash).toString("hex"));
    assert.match(run("sfdisk", "--verify", device.disk), /^No errors detected/mu);
  } finally {
    await device.remove();
  }
});
