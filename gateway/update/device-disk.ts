import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { BlockDisk } from "./ports.ts";

/** The disk that this system runs from, or a file that stands for it. */
export class DeviceDisk implements BlockDisk {
  readonly bytes: number;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, bytes: number, file: FileHandle) {
    this.#path = path;
    this.bytes = bytes;
    this.#file = file;
  }

  /** Throws UPDATE_UNSUPPORTED when it cannot be opened. */
  static async open(path: string, { write }: { readonly write: boolean }): Promise<DeviceDisk> {
    try {
      const file = await open(path, write ? constants.O_RDWR : constants.O_RDONLY);
      return new DeviceDisk(path, await lengthOf(file), file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const remedy = code === "EACCES" || code === "EPERM" ? "Run this as root." : undefined;
      const message = `The disk ${path} cannot be opened: ${messageOf(error)}.`;
      throw new PaddockError("UPDATE_UNSUPPORTED", message, { cause: error, remedy });
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#attempt("read", offset, () =>
        this.#file.read(buffer, done, length - done, offset + done),
      );
      if (bytesRead === 0) throw failed(`The disk ${this.#path} ends at byte ${offset + done}.`);
      done += bytesRead;
    }
    return buffer;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#attempt("written", offset, () =>
        this.#file.write(bytes, done, bytes.length - done, offset + done),
      );
      done += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#attempt("written", 0, () => this.#file.sync());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #attempt<Value>(what: string, offset: number, attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      throw failed(`The disk ${this.#path} cannot be ${what} at byte ${offset}: ${messageOf(error)}.`, error);
    }
  }
}

/** Bytes of a file, or of a disk, which says nothing of its length but where its end is. */
async function lengthOf(file: FileHandle): Promise<number> {
  const stat = await file.stat();
  if (stat.isFile()) return stat.size;
  let [low, high] = [0, Number.MAX_SAFE_INTEGER];
  // The last byte that can be read: 53 reads of one byte.
  const byte = Buffer.alloc(1);
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    const { bytesRead } = await file.read(byte, 0, 1, middle - 1).catch(() => ({ bytesRead: 0 }));
    if (bytesRead === 1) low = middle;
    else high = middle - 1;
  }
  return low;
}

function failed(message: string, cause?: unknown): PaddockError {
  return new PaddockError("UPDATE_FAILED", message, { cause });
}
