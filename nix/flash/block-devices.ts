import { execFile } from "node:child_process";
import { realpath, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import * as v from "valibot";

/**
 * The disks of this machine as util-linux's lsblk tells them, and which of them an image may go to.
 */

const COLUMNS = "PATH,TYPE,SIZE,MODEL,SERIAL,TRAN,RM,HOTPLUG,RO,MOUNTPOINTS";

interface LsblkNode {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly tran: string | null;
  readonly rm: boolean;
  readonly hotplug: boolean;
  readonly ro: boolean;
  readonly mountpoints: readonly (string | null)[];
  readonly children?: LsblkNode[] | undefined;
}

const text = v.optional(v.nullable(v.string()), null);
const LsblkNodeSchema: v.GenericSchema<unknown, LsblkNode> = v.object({
  path: v.string(),
  type: v.string(),
  size: v.pipe(v.union([v.number(), v.string()]), v.transform(Number)),
  model: text,
  serial: text,
  tran: text,
  rm: v.optional(v.boolean(), false),
  hotplug: v.optional(v.boolean(), false),
  ro: v.optional(v.boolean(), false),
  mountpoints: v.optional(v.array(v.nullable(v.string())), []),
  children: v.optional(v.array(v.lazy(() => LsblkNodeSchema))),
});
const LsblkSchema = v.object({ blockdevices: v.array(LsblkNodeSchema) });

export interface Disk {
  readonly path: string;
  readonly bytes: number;
  readonly model: string;
  readonly serial: string;
  /** How it is attached: usb, mmc, sata, nvme, ...; empty when unknown. */
  readonly transport: string;
  /** Why no image may be written to it; undefined: it may. */
  readonly refusal: string | undefined;
}

/** All disks, those that can be written first. Throws DEVICE_REFUSED when lsblk cannot be asked. */
export async function listDisks(): Promise<Disk[]> {
  let output: string;
  try {
    ({ stdout: output } = await promisify(execFile)("lsblk", ["--json", "--bytes", "--output", COLUMNS]));
  } catch (error) {
    throw new PaddockError("DEVICE_REFUSED", `The disks cannot be listed: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Install util-linux, or write to an image file.",
    });
  }
  return disksOf(JSON.parse(output));
}

/** What lsblk's JSON says of disks; partitions, volumes and file systems on a disk count for it. */
export function disksOf(lsblk: unknown): Disk[] {
  const { blockdevices } = v.parse(LsblkSchema, lsblk);
  return blockdevices
    .filter(({ type, size }) => (type === "disk" || type === "loop") && size > 0)
    .map((node) => ({
      path: node.path,
      bytes: node.size,
      model: node.model?.trim() ?? "",
      serial: node.serial?.trim() ?? "",
      transport: node.tran ?? "",
      refusal: refusalOf(node),
    }))
    .toSorted((a, b) => Number(a.refusal !== undefined) - Number(b.refusal !== undefined));
}

/** A mounted or used disk is refused whatever it is; one that is built in is somebody's system. */
function refusalOf(node: LsblkNode): string | undefined {
  const mounted = mountsOf(node);
  if (mounted.length > 0) {
    const system = mounted.some(
      (point) => point === "/" || point === "/boot" || point === "[SWAP]" || point === "/usr",
    );
    return system ? `this system runs from it (${mounted.join(", ")})` : `it is mounted at ${mounted.join(", ")}`;
  }
  const holder = holderOf(node);
  if (holder !== undefined) return `${holder.path} (${holder.type}) is made of it`;
  if (node.ro) return "it is read-only; look for the lock switch on the card";
  const removable = node.rm || node.hotplug || node.tran === "usb" || node.path.startsWith("/dev/mmcblk");
  return removable || node.type === "loop" ? undefined : "it is built into this machine, not removable";
}

function mountsOf(node: LsblkNode): string[] {
  return [
    ...node.mountpoints.filter((point): point is string => point !== null && point !== ""),
    ...(node.children ?? []).flatMap((child) => mountsOf(child)),
  ];
}

/** Something other than a partition that stands on a disk: a volume, a RAID, an open LUKS. */
function holderOf(node: LsblkNode): LsblkNode | undefined {
  for (const child of node.children ?? []) {
    if (child.type !== "part") return child;
    const below = holderOf(child);
    if (below !== undefined) return below;
  }
  return undefined;
}

/** Where an image goes: a disk, or a file that stands for one. */
export type Target = { readonly kind: "disk"; readonly disk: Disk } | { readonly kind: "file"; readonly path: string };

/**
 * The target that `--to` names. Throws DEVICE_REFUSED for a partition, and for a disk that is mounted, in use, read-only or
 * built in.
 */
export async function findTarget(to: string): Promise<Target> {
  const real = await realpath(to).catch(() => to);
  const kind = await stat(real).catch(() => undefined);
  if (kind === undefined || kind.isFile()) {
    if (kind === undefined && real.startsWith("/dev/")) {
      throw new PaddockError("DEVICE_REFUSED", `There is no disk ${to}.`, {
        remedy: "paddock flash --list shows those that are there.",
      });
    }
    return { kind: "file", path: real };
  }
  if (!kind.isBlockDevice()) {
    throw new PaddockError("DEVICE_REFUSED", `${to} is neither a disk nor a file.`, {
      remedy: "paddock flash --list shows the disks.",
    });
  }
  const disk = (await listDisks()).find(({ path }) => path === real);
  if (disk === undefined) {
    throw new PaddockError("DEVICE_REFUSED", `${to} is no whole disk.`, {
      remedy:
        "Name the disk, such as /dev/sdb, not a partition of it, such as /dev/sdb1; paddock flash --list shows them.",
    });
  }
  if (disk.refusal !== undefined) {
    throw new PaddockError("DEVICE_REFUSED", `${to} is not written to: ${disk.refusal}.`, {
      remedy: "paddock flash --list shows the disks that can be written; unmount one that is in use.",
    });
  }
  return { kind: "disk", disk };
}
