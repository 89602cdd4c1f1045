import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Target } from "./block-devices.ts";

/**
 * The disk or file that is written. A failing read or write is FLASH_FAILED, which names the place: mostly the card was
 * pulled or is worn out.
 */
export class DiskFile {
  readonly path: string;
  readonly bytes: number;
  readonly #isDisk: boolean;
  readonly #handle: FileHandle;

  private constructor(path: string, bytes: number, isDisk: boolean, handle: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.#isDisk = isDisk;
    this.#handle = handle;
  }

  /**
   * Opens a disk for itself alone: the kernel refuses while anything of it is mounted. A file is made, or lengthened to
   * `atLeastBytes`. Throws DEVICE_REFUSED.
   */
  static async open(target: Target, { atLeastBytes = 0, write = false } = {}): Promise<DiskFile> {
    const path = target.kind === "disk" ? target.disk.path : target.path;
    const flags = write ? constants.O_RDWR : constants.O_RDONLY;
    try {
      if (target.kind === "disk") {
        return new DiskFile(path, target.disk.bytes, true, await open(path, flags | (write ? constants.O_EXCL : 0)));
      }
      const handle = await open(path, write ? flags | constants.O_CREAT : flags, 0o600);
      let { size } = await handle.stat();
      if (write && size < atLeastBytes) {
        await handle.truncate(atLeastBytes);
        size = atLeastBytes;
      }
      return new DiskFile(path, size, false, handle);
    } catch (error) {
      throw new PaddockError("DEVICE_REFUSED", `${path} cannot be opened: ${messageOf(error)}.`, {
        cause: error,
        remedy: remedyFor((error as NodeJS.ErrnoException).code),
      });
    }
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    await this.#attempt("written", at, () => this.#handle.write(bytes, 0, bytes.length, at));
  }

  /** Exactly `length` bytes, or what is there before the end. */
  async read(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, this.bytes - at)));
    let done = 0;
    while (done < buffer.length) {
      const { bytesRead } = await this.#attempt("read", at + done, () =>
        this.#handle.read(buffer, done, buffer.length - done, at + done),
      );
      if (bytesRead === 0) return buffer.subarray(0, done);
      done += bytesRead;
    }
    return buffer;
  }

  /** Makes what was written durable, and lets the next read come from the disk itself rather than from memory. */
  async settle(): Promise<void> {
    await this.#attempt("written", 0, () => this.#handle.sync());
    if (this.#isDisk) {
      await this.#attempt("read again", 0, () => promisify(execFile)("blockdev", ["--flushbufs", this.path]));
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #attempt<Value>(what: string, at: number, attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      throw new PaddockError(
        "FLASH_FAILED",
        `${this.path} cannot be ${what} at byte ${at}: ${messageOf(error)}. It does not hold a usable image.`,
        { cause: error },
      );
    }
  }
}

function remedyFor(code: string | undefined): string {
  if (code === "EACCES" || code === "EPERM") return "Run this as root: sudo paddock flash ...";
  if (code === "EBUSY") return "Something uses the disk: unmount it, and close what looks at it.";
  if (code === "EROFS") return "It is read-only; look for the lock switch on the card.";
  return "Check that the disk is plugged in; paddock flash --list shows it.";
}
