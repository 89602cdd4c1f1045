import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const IMAGE_MAIN = fileURLToPath(new URL("../../nix/image/main.ts", import.meta.url));

/** Where the image of a version is once it is built. */
export function imageFile(version: string, directory: string): string {
  return join(directory, `paddock_${version}_x86-64.raw`);
}

/** Builds the image of a version into a directory, compressed in little time: it is not for anybody to download. */
export function buildImage(version: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const args = [IMAGE_MAIN, "--version", version, "--out", directory, "--raw", "--compression", "zstd,level=1"];
  execFileSync("nice", ["-n", "10", process.execPath, ...args], { stdio: "inherit" });
}
