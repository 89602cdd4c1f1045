import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { HEAD_BYTES } from "@paddock/wire/key-slot.ts";

const SECTOR_BYTES = 512;
/** Bytes that are encrypted as one, and those of a block of the file system. */
const CRYPT_BYTES = 4096;
const CRYPT_SECTORS = CRYPT_BYTES / SECTOR_BYTES;
const HEAD_SECTORS = HEAD_BYTES / SECTOR_BYTES;
/** What the data partition is called once it is open: /dev/mapper/data. */
export const MAPPING = "data";
/** For root alone, said outright: the group that dmsetup would give it is one that this program may not give anything to. */
const CREATE = ["create", "--noudevsync", "--verifyudev", "--uid", "0", "--gid", "0", "--mode", "0600"];

/**
 * The device-mapper table of a partition of so many bytes behind its key slots: AES-256 in XTS mode, numbered by 512 bytes as
 * nix/image/open-data.sh has it, too. `key` undefined: the partition itself, from its first byte on, without encryption.
 */
export function tableOf(device: string, bytes: number, key: Uint8Array | undefined): string {
  const sectors = Math.floor(bytes / SECTOR_BYTES);
  if (key === undefined) return `0 ${sectors} linear ${device} 0`;
  const data = Math.floor((sectors - HEAD_SECTORS) / CRYPT_SECTORS) * CRYPT_SECTORS;
  if (data <= 0) throw new RangeError(`${device} has no room behind its key slots`);
  const text = Buffer.from(key).toString("hex");
  return `0 ${data} crypt aes-xts-plain64 ${text} 0 ${device} ${HEAD_SECTORS} 1 sector_size:${CRYPT_BYTES}`;
}

/** Makes /dev/mapper/data. The table goes through a pipe: arguments can be seen by everybody. Rejects with what dmsetup said. */
export async function mapData(table: string): Promise<void> {
  const running = promisify(execFile)("dmsetup", [...CREATE, MAPPING]);
  running.child.stdin!.end(`${table}\n`);
  await running;
}

export async function unmapData(): Promise<void> {
  await promisify(execFile)("dmsetup", ["remove", "--noudevsync", "--verifyudev", "--retry", MAPPING]);
}

/** Makes an empty file system on /dev/mapper/data. */
export async function formatData(): Promise<void> {
  await promisify(execFile)("mkfs.ext4", ["-q", "-F", "-L", MAPPING, `/dev/mapper/${MAPPING}`]);
}

/** Gives back to the disk what nobody needs any more. Rejects where it knows nothing of that. */
export async function discard(device: string): Promise<void> {
  await promisify(execFile)("blkdiscard", ["--force", device]);
}
