import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";

/** What the lake does to a disk; replaced under test by one that fails or dies. Paths are below the lake. */
export interface LakeDisk {
  /** Writes a file that is not there yet, with its folders, and waits until it is durable. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Appends to a file, which is made where it is missing, and waits until that is durable. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /** Bytes; undefined when there is none. */
  size(path: string): Promise<number | undefined>;
  rename(from: string, to: string): Promise<void>;
  truncate(path: string, bytes: number): Promise<void>;
  /** Nothing where there is none. Folders that it leaves empty go with it. */
  remove(path: string): Promise<void>;
  /** Makes the names in the folders of these paths durable. */
  syncFolders(paths: readonly string[]): Promise<void>;
  /** Every file below the lake. */
  list(): Promise<string[]>;
}

export class DirectoryDisk implements LakeDisk {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#makeFolders(path);
    await writeThrough(this.#at(path), "w", bytes);
  }

  async append(path: string, bytes: Uint8Array): Promise<void> {
    await writeThrough(this.#at(path), "a", bytes);
  }

  async read(path: string): Promise<Buffer | undefined> {
    return orUndefined(readFile(this.#at(path)));
  }

  async size(path: string): Promise<number | undefined> {
    return (await orUndefined(stat(this.#at(path))))?.size;
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#at(from), this.#at(to));
  }

  async truncate(path: string, bytes: number): Promise<void> {
    await truncate(this.#at(path), bytes);
  }

  async remove(path: string): Promise<void> {
    await rm(this.#at(path), { force: true });
    for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
      try {
        await rmdir(this.#at(folder));
      } catch {
        // It holds something else.
        return;
      }
    }
  }

  async syncFolders(paths: readonly string[]): Promise<void> {
    const folders = new Set(["."]);
    for (const path of paths) {
      for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) folders.add(folder);
    }
    for (const folder of folders) await orUndefined(syncDirectory(this.#at(folder)));
  }

  async list(): Promise<string[]> {
    const entries = (await orUndefined(readdir(this.#root, { recursive: true, withFileTypes: true }))) ?? [];
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#root.length + 1))
      .toSorted();
  }

  /** Never the lake's own folder: one whose disk is not mounted must not be made on another one. */
  async #makeFolders(path: string): Promise<void> {
    let folder = "";
    for (const part of dirname(path).split("/")) {
      folder = join(folder, part);
      if (folder === ".") continue;
      try {
        await mkdir(this.#at(folder), { mode: 0o750 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

async function writeThrough(path: string, flags: "w" | "a", bytes: Uint8Array): Promise<void> {
  const file = await open(path, flags, 0o640);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function orUndefined<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
