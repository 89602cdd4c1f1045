import { join } from "node:path";
import { BUILDER } from "./architectures.ts";
import { run } from "./run.ts";

/** Bytes that are compressed as one; larger ones save room and cost time at each first read. */
const CLUSTER_BYTES = 131_072;

/** Packages of Debian with what `runErofs` runs, and its libraries. */
export const EROFS_PACKAGES = [
  "erofs-utils",
  "libc6",
  "libdeflate0",
  "liblz4-1",
  "liblzma5",
  "libselinux1",
  "libpcre2-8-0",
  "libuuid1",
  "libxxhash0",
  "libzstd1",
  "zlib1g",
] as const;

/**
 * Runs a program of erofs-utils out of folders with the content of packages, by the packages' names, with the libraries
 * that it came with: that of this machine may know no zstd.
 */
export async function runErofs(
  folders: ReadonlyMap<string, string>,
  program: "mkfs.erofs" | "fsck.erofs",
  args: readonly string[],
): Promise<void> {
  const library = EROFS_PACKAGES.map((name) => join(folders.get(name)!, BUILDER.libraries)).join(":");
  const command = join(folders.get("erofs-utils")!, "usr/bin", program);
  await run(join(folders.get("libc6")!, BUILDER.loader), ["--library-path", library, command, ...args]);
}

/** Makes a file system of a folder: the same bytes of the same files. `compression` is what mkfs.erofs takes behind -z. */
export async function makeErofs(
  folders: ReadonlyMap<string, string>,
  { from, to, id, compression }: Readonly<Record<"from" | "to" | "id" | "compression", string>>,
): Promise<void> {
  const options = ["--quiet", `-z${compression}`, `-C${CLUSTER_BYTES}`, "-T0", "-U", id, "--all-root"];
  await runErofs(folders, "mkfs.erofs", [...options, to, from]);
}
