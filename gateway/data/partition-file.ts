import { constants, open, readFile, realpath, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf, PaddockError, type ErrorCode } from "@paddock/base/errors.ts";
import { HEAD_BYTES } from "@paddock/wire/key-slot.ts";

const SECTOR_BYTES = 512;
const WASM_PAGE_BYTES = 65_536;

/** Of the language, and in none of the libraries that this program is checked with. */
declare const WebAssembly: { readonly Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer } };

/** A data partition, or a file that stands for one, in its raw bytes. */
export class PartitionFile {
  readonly path: string;
  /** 0: it is shorter than its head, or nobody knows. */
  readonly bytes: number;
  readonly #file: FileHandle;
  readonly #isDevice: boolean;

  private constructor(path: string, file: FileHandle, { bytes, isDevice }: { bytes: number; isDevice: boolean }) {
    this.path = path;
    this.bytes = bytes;
    this.#file = file;
    this.#isDevice = isDevice;
  }

  /** Throws PaddockError with the given code where it cannot be opened. */
  static async open(path: string, code: ErrorCode): Promise<PartitionFile> {
    let file: FileHandle;
    try {
      file = await open(path, "r+");
    } catch (error) {
      throw new PaddockError(code, `${path} cannot be opened: ${messageOf(error)}.`, {
        remedy: "This runs as root at the start of an image, before anything is mounted.",
        cause: error,
      });
    }
    const stat = await file.stat();
    const isDevice = stat.isBlockDevice();
    return new PartitionFile(path, file, { isDevice, bytes: isDevice ? await deviceBytes(path) : stat.size });
  }

  /** What is in front of the data. */
  async head(): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  }

  /** The same from the disk itself, not from what the kernel remembers of it. */
  async headOnDisk(): Promise<Buffer> {
    await this.#file.sync();
    if (!this.#isDevice) return this.head();
    const direct = await open(this.path, constants.O_RDONLY | constants.O_DIRECT);
    try {
      // Only memory that begins with a page will do.
      const pages = Buffer.from(new WebAssembly.Memory({ initial: HEAD_BYTES / WASM_PAGE_BYTES }).buffer);
      const { bytesRead } = await direct.read(pages, 0, HEAD_BYTES, 0);
      return pages.subarray(0, bytesRead);
    } finally {
      await direct.close();
    }
  }

  /** Resolves once the bytes are on the disk. */
  async write(bytes: Uint8Array, at: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** A device file itself says that it has no bytes. */
async function deviceBytes(path: string): Promise<number> {
  const sectors = await readFile(join("/sys/class/block", basename(await realpath(path)), "size"), "utf8");
  return Number(sectors) * SECTOR_BYTES;
}
