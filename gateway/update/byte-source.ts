import { open, type FileHandle } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** Bytes with a place each: a file here, or one behind HTTP. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  /** All of it. Throws UPDATE_SOURCE. */
  size(): Promise<number>;
  /** Exactly `length` bytes. Throws UPDATE_SOURCE. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export class FileSource implements ByteSource {
  readonly name: string;
  readonly #file: FileHandle;

  private constructor(name: string, file: FileHandle) {
    this.name = name;
    this.#file = file;
  }

  /** Throws UPDATE_SOURCE. */
  static async open(path: string): Promise<FileSource> {
    try {
      return new FileSource(path, await open(path, "r"));
    } catch (error) {
      throw new PaddockError("UPDATE_SOURCE", `${path} cannot be opened: ${messageOf(error)}.`, {
        cause: error,
        remedy: "Check the path after --file.",
      });
    }
  }

  async size(): Promise<number> {
    return (await this.#attempt(() => this.#file.stat())).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { bytesRead, buffer } = await this.#attempt(() => this.#file.read(Buffer.alloc(length), 0, length, offset));
    if (bytesRead === length) return buffer;
    throw new PaddockError("UPDATE_INVALID", `${this.name} ends at byte ${offset + bytesRead}: it is cut short.`, {
      remedy: "Copy it again from where it came.",
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #attempt<Value>(attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      throw new PaddockError("UPDATE_SOURCE", `${this.name} cannot be read: ${messageOf(error)}.`, {
        cause: error,
        remedy: "Check that the medium it is on is still there.",
      });
    }
  }
}
