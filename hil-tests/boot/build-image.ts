import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EMULATORS } from "./emulators.ts";
import { releaseKeyFile } from "./release-key.ts";

const IMAGE_MAIN = fileURLToPath(new URL("../../nix/image/main.ts", import.meta.url));

/** Where the image of a version is once it is built. */
export function imageFile(version: string, directory: string, architecture: Architecture = "x86-64"): string {
  return join(directory, `paddock_${version}_${architecture}.raw`);
}

type Architecture = keyof typeof EMULATORS;

/** Environment variable with the lock of the images that this run builds, where it is not that of the sources. */
const lockVariable = (architecture: Architecture): string =>
  `PADDOCK_BOOT_LOCK_${architecture.replace("-", "_").toUpperCase()}`;

/**
 * Builds the image of a version and its update into a directory, compressed in little time: they are not for anybody to
 * download. When the mirrors have dropped a package of the lock, this run takes what they have instead: a boot is to fail
 * when the image is wrong, and not when Debian has mended something.
 */
export function buildImage(version: string, directory: string, architecture: Architecture = "x86-64"): void {
  mkdirSync(directory, { recursive: true });
  const build = (...more: string[]): void => {
    const args = [IMAGE_MAIN, "--version", version, "--out", directory, "--raw", "--compression", "zstd,level=1"];
    args.push("--arch", architecture, "--key", releaseKeyFile());
    execFileSync("nice", ["-n", "10", process.execPath, ...args, ...more], { stdio: "inherit" });
  };
  const lock = process.env[lockVariable(architecture)];
  if (lock !== undefined) return build("--lock", lock);
  try {
    build();
  } catch {
    const newest = join(directory, `packages.${architecture}.lock.json`);
    process.stdout.write("\nNot with the locked packages; once more with what the mirrors have now.\n");
    build("--lock", newest, "--renew");
    process.env[lockVariable(architecture)] = newest;
  }
}
