import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tableOf } from "@paddock/gateway/data/device-mapper.ts";
import { encodeHead, KEY_BYTES } from "@paddock/wire/key-slot.ts";

const SCRIPT = join(import.meta.dirname, "../../nix/image/open-data.sh");
const SECTORS = 262_145;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "paddock-data-script-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the script on a partition that begins like this; resolves with the table that dmsetup was given, if it was. */
async function tableByScript(head: Uint8Array): Promise<string | undefined> {
  const stubs = {
    busybox: "echo /dev/vdz7",
    // Of /sys/class/block/vdz7/size.
    cat: `[ "$1" = /sys/class/block/vdz7/size ] && echo ${SECTORS}`,
    ln: "",
    dmsetup: `[ "$*" = "create --noudevsync --verifyudev --uid 0 --gid 0 --mode 0600 data" ] && sed -n p >${folder}/table`,
  };
  for (const [name, text] of Object.entries(stubs))
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await writeFile(join(folder, "partition"), head);
  const running = promisify(execFile)("sh", [SCRIPT, join(folder, "partition")], {
    env: { PATH: `${folder}:${process.env["PATH"]}` },
  });
  const isOpen = await running.then(
    ({ stdout }) => stdout.startsWith("data partition: encrypted"),
    () => false,
  );
  return isOpen ? (await readFile(join(folder, "table"), "utf8")).trim() : undefined;
}

test("the script opens a partition as the program does", async () => {
  for (const key of [randomBytes(KEY_BYTES), Buffer.alloc(KEY_BYTES)])
    expect(await tableByScript(encodeHead({ keeper: "disk", key }))).toBe(
      tableOf(join(folder, "partition"), SECTORS * 512, key),
    );
});

test("all else it leaves to the program", async () => {
  const key = randomBytes(KEY_BYTES);
  const damaged = encodeHead({ keeper: "disk", key });
  damaged[60]! ^= 1;
  const sealed = { publicArea: key, privateArea: key };
  for (const head of [
    damaged,
    encodeHead({ keeper: "none" }),
    encodeHead({ keeper: "tpm", sealed }),
    randomBytes(8192),
    Buffer.alloc(8192),
  ])
    expect(await tableByScript(head)).toBeUndefined();
});
