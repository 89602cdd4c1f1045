import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { BootFiles } from "./ports.ts";

/** Left free in the boot partition: names and the table of a FAT take room, too. */
const RESERVE_BYTES = 1024 * 1024;

/** The folder of the mounted EFI system partition, such as /efi/EFI/Linux. */
export class BootFolder implements BootFiles {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    return this.#attempt("read", async () => {
      const names = await readdir(this.#path);
      return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(this.#path, name))).size })));
    });
  }

  async room(): Promise<number> {
    const { bavail, bsize } = await this.#attempt("read", () => statfs(this.#path));
    return Math.max(0, bavail * bsize - RESERVE_BYTES);
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#attempt("read", async () => {
      const file = await open(join(this.#path, name), "r");
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
        if (bytesRead !== length) throw new Error(`${name} ends at byte ${offset + bytesRead}`);
        return buffer;
      } finally {
        await file.close();
      }
    });
  }

  async write(name: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#path, name);
    await this.#attempt("written", () => mkdir(this.#path, { recursive: true }));
    const file = await this.#attempt("written", () => open(path, "w", 0o600));
    try {
      for await (const piece of pieces) await this.#attempt("written", () => file.writeFile(piece));
      await this.#attempt("written", () => file.sync());
    } finally {
      await file.close().catch(() => {});
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#attempt("written", () => rename(join(this.#path, from), join(this.#path, to)));
  }

  async remove(name: string): Promise<void> {
    await this.#attempt("written", () => rm(join(this.#path, name), { force: true }));
  }

  async sync(): Promise<void> {
    await this.#attempt("written", () => syncDirectory(this.#path));
  }

  async #attempt<Value>(what: string, attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const remedy =
        code === "ENOSPC"
          ? "Remove files from the boot partition that no release put there. The release that runs is untouched."
          : code === "EACCES" || code === "EPERM"
            ? "Run this as root."
            : code === "EROFS"
              ? "Start the machine again: the boot partition turned read-only after an error. If it repeats, the disk fails."
              : undefined;
      throw new PaddockError(
        "UPDATE_FAILED",
        `The boot partition ${this.#path} cannot be ${what}: ${messageOf(error)}.`,
        {
          cause: error,
          remedy,
        },
      );
    }
  }
}
