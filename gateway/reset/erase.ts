import { open, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

const PART_BYTES = 1024 * 1024;
const TOLD_BYTES = 1024 * PART_BYTES;
/**
 * The file in CONFIG that asks for a reset; with .txt behind it, which Windows adds, it does too. It goes last, so that a reset
 * that was cut off is done again.
 */
export const REQUEST_FILE = "factory-reset";
/** What an image brings in CONFIG. */
const README_FILE = "README.txt";

/**
 * Overwrites a device, or a file that stands for one, with zeros to its end, and reads it back. Resolves with the bytes
 * erased. Throws RESET_FAILED where it cannot be written, or where something else than zeros is read.
 */
export async function erase(path: string, tell: (line: string) => void): Promise<number> {
  const file = await opened(path);
  try {
    const { size } = await file.stat();
    const bytes = await overwrite(file, size, path, tell);
    await file.sync();
    await assertZeros(file, bytes, path);
    return bytes;
  } finally {
    await file.close();
  }
}

/** Overwrites and removes every file of CONFIG but the one that explains it; the request goes last. */
export async function clearConfig(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const requests = files.filter((path) => path.startsWith(join(folder, REQUEST_FILE)));
  for (const path of files) if (!requests.includes(path) && path !== join(folder, README_FILE)) await shred(path);
  for (const entry of entries.filter((one) => one.isDirectory()))
    await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
  for (const path of requests) await rm(path);
}

async function shred(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, "r+");
  try {
    await file.write(Buffer.alloc(size), 0, size, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rm(path);
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    throw new PaddockError("RESET_FAILED", `${path} cannot be opened: ${messageOf(error)}.`, {
      remedy:
        "A reset runs as root, before anything is mounted: put a file named factory-reset into CONFIG and start anew.",
      cause: error,
    });
  }
}

/** A device says that it has no size, and ends where writing no longer works. */
async function overwrite(file: FileHandle, size: number, path: string, tell: (line: string) => void): Promise<number> {
  const zeros = Buffer.alloc(PART_BYTES);
  let at = 0;
  const end = size === 0 ? Infinity : size;
  while (at < end) {
    const length = Math.min(PART_BYTES, end - at);
    let written = 0;
    try {
      written = (await file.write(zeros, 0, length, at)).bytesWritten;
    } catch (error) {
      if (size !== 0 || (error as NodeJS.ErrnoException).code !== "ENOSPC" || at === 0)
        throw new PaddockError("RESET_FAILED", `${path} cannot be written at byte ${at}: ${messageOf(error)}.`, {
          remedy: "Destroy the disk: what it holds cannot be erased.",
          cause: error,
        });
    }
    if (written === 0) break;
    at += written;
    if (at % TOLD_BYTES === 0) tell(`factory reset: ${at / TOLD_BYTES} GiB erased`);
  }
  return at;
}

async function assertZeros(file: FileHandle, bytes: number, path: string): Promise<void> {
  const [part, zeros] = [Buffer.alloc(PART_BYTES), Buffer.alloc(PART_BYTES)];
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(part, 0, PART_BYTES, at);
    if (bytesRead === 0 || !part.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead)))
      throw new PaddockError("RESET_FAILED", `${path} does not read as zeros behind byte ${at}.`, {
        remedy: "Destroy the disk: what it holds cannot be erased.",
      });
    at += bytesRead;
  }
}
