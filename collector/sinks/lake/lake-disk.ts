import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";

/** Files are written under a name with this behind it, which no pattern of a reader matches. */
export const UNFINISHED = ".unfinished";

/** What the lake does to a disk, so that a test can fill it. Paths are those in the lake. */
export class LakeDisk {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** Makes the folder of a file and those above it, in the lake, durably. */
  async makeFolder(name: string): Promise<void> {
    const first = await mkdir(this.path(name), { recursive: true, mode: 0o750 });
    if (first === undefined) return;
    for (let made = this.path(name); ; made = dirname(made)) {
      await syncDirectory(dirname(made));
      if (made === first || dirname(made) === made) return;
    }
  }

  /** Writes a whole file, durably but for its name. */
  async writeFile(name: string, bytes: Uint8Array): Promise<void> {
    const file = await open(this.path(name), "w", 0o640);
    try {
      await file.writeFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** Adds to a file behind its first `at` bytes, durably; what stood there is gone. */
  async append(name: string, at: number, text: string): Promise<void> {
    const file = await open(this.path(name), at === 0 ? "w" : "r+", 0o640);
    try {
      await file.truncate(at);
      const bytes = Buffer.from(text, "utf8");
      for (let done = 0; done < bytes.length;) {
        done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (at === 0) await syncDirectory(this.root);
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.path(from), this.path(to));
  }

  async remove(name: string): Promise<void> {
    await rm(this.path(name), { force: true });
  }

  async syncFolders(folders: Iterable<string>): Promise<void> {
    for (const folder of new Set(folders)) await syncDirectory(this.path(folder));
  }

  /** Length of a file, or undefined when it is none. */
  async length(name: string): Promise<number | undefined> {
    try {
      const found = await stat(this.path(name));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Every file in a folder of a site. */
  async files(): Promise<string[]> {
    const found: string[] = [];
    for (const site of await readdir(this.root)) {
      if (!site.startsWith("site=")) continue;
      for (const entry of await readdir(this.path(site), { withFileTypes: true, recursive: true })) {
        if (entry.isFile()) found.push(join(entry.parentPath, entry.name).slice(join(this.root, "/").length));
      }
    }
    return found;
  }
}
