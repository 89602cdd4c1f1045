import { execFile } from "node:child_process";
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { isVersion } from "@paddock/wire/release/version.ts";
import { bootEntries, type BootEntry } from "./boot-entries.ts";
import { BootFolder } from "./boot-folder.ts";
import { UPDATE_DIR } from "./state.ts";

/** Where things are on a machine that runs a release; tests have them elsewhere. */
export interface DevicePaths {
  /** Folder in which the first program of a start says which release it started, and from which disk. */
  readonly bootDir: string;
  /** Folder of the mounted EFI system partition with the programs of the releases. */
  readonly entries: string;
  readonly stateDir: string;
  /** PEM of the Ed25519 keys whose releases are believed: one, or an old and a new one. */
  readonly keys: string;
  /** Names the board. */
  readonly board: string;
}

export const DEVICE_PATHS: DevicePaths = {
  bootDir: "/run/paddock-boot",
  entries: "/efi/EFI/Linux",
  stateDir: UPDATE_DIR,
  keys: "/etc/paddock/release.pub.pem",
  board: "/etc/paddock/board",
};

/** As systemd names it, which the releases do, too. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86-64", arm64: "arm64" };
const KEYS_MAX = 4;

/** The architecture of this machine. */
export function architecture(): string {
  return ARCHITECTURES[process.arch] ?? process.arch;
}

/** The release that runs, and the disk that it was started from. Throws UPDATE_UNSUPPORTED when this is no image. */
export async function runningRelease({ bootDir }: DevicePaths): Promise<{ version: string; disk: string }> {
  try {
    const version = (await readFile(join(bootDir, "release"), "utf8")).trim();
    const disk = (await readFile(join(bootDir, "disk"), "utf8")).trim();
    if (isVersion(version) && disk.startsWith("/")) return { version, disk };
    throw new Error(`it says ${JSON.stringify(version)} on ${JSON.stringify(disk)}`);
  } catch (error) {
    throw new PaddockError("UPDATE_UNSUPPORTED", `${bootDir} does not say which release runs: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

export async function boardOf({ board }: DevicePaths): Promise<string> {
  try {
    return (await readFile(board, "utf8")).trim();
  } catch (error) {
    throw new PaddockError("UPDATE_UNSUPPORTED", `${board} does not say which board this is: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** The keys whose releases are believed. Throws UPDATE_UNSUPPORTED when there is none. */
export async function releaseKeys({ keys }: Pick<DevicePaths, "keys">): Promise<KeyObject[]> {
  const remedy = "Flash an image that was built with --key, or name the maker's key with --key.";
  try {
    const blocks = (await readFile(keys, "utf8")).match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
    const found = blocks.slice(0, KEYS_MAX).map((pem) => createPublicKey(pem));
    if (found.length === 0) throw new Error("there is none in it");
    if (found.every(({ asymmetricKeyType }) => asymmetricKeyType === "ed25519")) return found;
    throw new Error("not every key in it is Ed25519");
  } catch (error) {
    const message = `${keys} has no key whose releases could be believed: ${messageOf(error)}.`;
    throw new PaddockError("UPDATE_UNSUPPORTED", message, { cause: error, remedy });
  }
}

/** The programs of the boot partition, which is mounted if it is not. Throws UPDATE_UNSUPPORTED without that of `running`. */
export async function openBoot(
  { entries: path }: DevicePaths,
  running: string,
): Promise<{ boot: BootFolder; entries: BootEntry[] }> {
  const boot = new BootFolder(path);
  const look = async (): Promise<BootEntry[]> => bootEntries(await boot.list().catch(() => []));
  let entries = await look();
  if (entries.length === 0 && path === DEVICE_PATHS.entries) {
    await systemctl("start", "efi.mount").catch(() => {});
    entries = await look();
  }
  if (entries.some(({ version }) => version === running)) return { boot, entries };
  const found = entries.length === 0 ? "nothing" : entries.map(({ file }) => file).join(", ");
  throw new PaddockError("UPDATE_UNSUPPORTED", `${path} has no program of ${running}, which runs: it has ${found}.`, {
    remedy: "Run this as root; check that /efi is the boot partition that this machine started from.",
  });
}

/** Asks systemd. Throws what execFile throws. */
export async function systemctl(...args: readonly string[]): Promise<void> {
  await promisify(execFile)("systemctl", [...args]);
}
