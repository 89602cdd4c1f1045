import { join } from "node:path";
import { zstdCompressSync, constants } from "node:zlib";
import type { Architecture } from "./architectures.ts";
import { initrdModules } from "./contents.ts";
import { cpioOf } from "./cpio.ts";
import { deviceMapperRequests } from "./device-mapper.ts";
import { ioctlProgram } from "./ioctl-program.ts";
import { takeModules, type ModuleSource } from "./kernel-modules.ts";
import type { Pool } from "./pool.ts";
import type { Tree } from "./tree.ts";
import type { VerityTree } from "./verity.ts";

/** Commands that init.sh uses, of those that busybox has. */
const COMMANDS =
  `basename cat chroot cttyhack dd dirname echo find grep ln mkdir modprobe mount mv printf readlink reboot setsid sh sort
switch_root sync tail tr umount usleep xargs`
    .trim()
    .split(/\s+/);

/**
 * The first file system of the kernel, compressed: what finds and checks the root. It knows nothing of a release, so two
 * releases with the same kernel have the same bytes here; `releaseArgument` tells it.
 */
export async function makeInitrd(architecture: Architecture, pool: Pool, modules: ModuleSource): Promise<Buffer> {
  const tree: Tree = new Map();
  await pool.take(tree, ["usr/bin/busybox"]);
  tree.set("usr/bin/ioctl", { kind: "text", mode: 0o755, content: ioctlProgram(architecture.node) });
  for (const [name, content] of Object.entries(deviceMapperRequests()))
    tree.set(`usr/lib/paddock/device-mapper/${name}`, { kind: "text", mode: 0o644, content });
  await takeModules(tree, modules, initrdModules(architecture), "busybox");
  tree.set("init", { kind: "file", mode: 0o755, from: join(import.meta.dirname, "init.sh") });
  for (const name of COMMANDS) tree.set(`usr/bin/${name}`, { kind: "link", to: "busybox" });
  for (const [name, to] of architecture.usrMerged) tree.set(name, { kind: "link", to });
  // The kernel opens it before anything is mounted.
  tree.set("dev", { kind: "directory", mode: 0o755 });
  return zstdCompressSync(await cpioOf(tree), { params: { [constants.ZSTD_c_compressionLevel]: 22 } });
}

/** What init.sh has to know of a release, as a word of the kernel's command line. */
export function releaseArgument(version: string, { rootHash, salt, dataBlocks, hashStart }: VerityTree): string {
  return `paddock.release=${[version, dataBlocks, hashStart, rootHash, salt].join(":")}`;
}
