import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { disksOf, findTarget } from "./block-devices.ts";

const disk = (path: string, more: object = {}) => ({
  path,
  type: "disk",
  size: 32_000_000_000,
  model: "Card Reader ",
  serial: "0001",
  tran: "usb",
  rm: true,
  hotplug: true,
  ro: false,
  mountpoints: [null],
  ...more,
});
const part = (path: string, mountpoint: string | null) => ({ path, type: "part", size: 1, mountpoints: [mountpoint] });

test.each([
  ["a card in a reader", disk("/dev/sdb"), undefined],
  ["a card in a slot", disk("/dev/mmcblk0", { tran: null, rm: false, hotplug: false }), undefined],
  ["a card with partitions that nobody mounted", disk("/dev/sdb", { children: [part("/dev/sdb1", null)] }), undefined],
  ["the disk of the system", disk("/dev/sda", { children: [part("/dev/sda1", "/")] }), "this system runs from it (/)"],
  ["a disk with swap", disk("/dev/sda", { children: [part("/dev/sda1", "[SWAP]")] }), "this system runs from it"],
  [
    "a stick that the desktop mounted",
    disk("/dev/sdb", { children: [part("/dev/sdb1", "/media/a/B")] }),
    "mounted at /media/a/B",
  ],
  ["a disk that is mounted whole", disk("/dev/sdb", { mountpoints: ["/mnt"] }), "mounted at /mnt"],
  [
    "a disk under an open LUKS",
    disk("/dev/sdb", {
      children: [{ ...part("/dev/sdb1", null), children: [{ ...part("/dev/mapper/x", null), type: "crypt" }] }],
    }),
    "/dev/mapper/x (crypt)",
  ],
  [
    "a system on LVM on a partition",
    disk("/dev/sdb", {
      children: [{ ...part("/dev/sdb1", null), children: [{ ...part("/dev/mapper/r", "/"), type: "lvm" }] }],
    }),
    "this system runs from it",
  ],
  ["a built-in disk", disk("/dev/nvme0n1", { tran: "nvme", rm: false, hotplug: false }), "built into this machine"],
  ["a card with its lock on", disk("/dev/sdb", { ro: true }), "read-only"],
])("%s", (_, node, refusal) => {
  const found = disksOf({ blockdevices: [node] });
  expect(found).toHaveLength(1);
  if (refusal === undefined) expect(found[0]!.refusal).toBeUndefined();
  else expect(found[0]!.refusal).toContain(refusal);
});

test("those that can be written come first; empty readers and drives that are none do not come at all", () => {
  const found = disksOf({
    blockdevices: [
      disk("/dev/nvme0n1", { tran: "nvme", rm: false, hotplug: false }),
      disk("/dev/sdc", { size: 0 }),
      disk("/dev/sr0", { type: "rom" }),
      disk("/dev/sdb", { size: "32000000000", model: null, tran: null }),
    ],
  });
  expect(found.map(({ path }) => path)).toEqual(["/dev/sdb", "/dev/nvme0n1"]);
  expect(found[0]).toMatchObject({ bytes: 32_000_000_000, model: "" });
});

test("what is no disk is refused with what to name instead", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-target-"));
  try {
    await expect(findTarget(directory)).rejects.toMatchObject({ code: "DEVICE_REFUSED" });
    await expect(findTarget("/dev/null")).rejects.toThrow("neither a disk nor a file");
    await expect(findTarget("/dev/sdzz")).rejects.toThrow("There is no disk /dev/sdzz");
    const path = join(directory, "card.img");
    expect(await findTarget(path)).toEqual({ kind: "file", path });
    await writeFile(path, "");
    expect(await findTarget(path)).toEqual({ kind: "file", path });
  } finally {
    await rm(directory, { recursive: true });
  }
});
