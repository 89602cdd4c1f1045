import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const IMAGE_MAIN = fileURLToPath(new URL("../../nix/image/main.ts", import.meta.url));

/** Where the image of a version is once it is built. */
export function imageFile(version: string, directory: string): string {
  return join(directory, `paddock_${version}_x86-64.raw`);
}

/** The lock of the images that this run builds, where it is not that of the sources. */
const LOCK_VARIABLE = "PADDOCK_BOOT_LOCK";

/**
 * Builds the image of a version into a directory, compressed in little time: it is not for anybody to download. When the
 * mirrors have dropped a package of the lock, this run takes what they have instead: a boot is to fail when the image is
 * wrong, and not when Debian has mended something.
 */
export function buildImage(version: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const build = (...more: string[]): void => {
    const args = [IMAGE_MAIN, "--version", version, "--out", directory, "--raw", "--compression", "zstd,level=1"];
    execFileSync("nice", ["-n", "10", process.execPath, ...args, ...more], { stdio: "inherit" });
  };
  const lock = process.env[LOCK_VARIABLE];
  if (lock !== undefined) return build("--lock", lock);
  try {
    build();
  } catch {
    const newest = join(directory, "packages.lock.json");
    process.stdout.write("\nNot with the locked packages; once more with what the mirrors have now.\n");
    build("--lock", newest, "--renew");
    process.env[LOCK_VARIABLE] = newest;
  }
}
