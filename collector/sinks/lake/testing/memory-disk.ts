import type { LakeDisk } from "../lake-disk.ts";

/** A disk in memory that can lose its power, be full, or lose files. */
export class MemoryDisk implements LakeDisk {
  readonly files = new Map<string, Buffer>();
  /** Changes so far; the one with number `cutAt` is not done, nor any after it. */
  changes = 0;
  cutAt = Infinity;
  /** How much of a write that is cut reaches the disk, 0 to 1. */
  torn = 0;
  full = false;

  async write(path: string, bytes: Uint8Array): Promise<void> {
    this.#change(() => this.files.set(path, Buffer.from(bytes.subarray(0, Math.floor(bytes.length * this.torn)))));
    this.files.set(path, Buffer.from(bytes));
    return Promise.resolve();
  }

  async append(path: string, bytes: Uint8Array): Promise<void> {
    const before = this.files.get(path) ?? Buffer.alloc(0);
    const part = bytes.subarray(0, Math.floor(bytes.length * this.torn));
    this.#change(() => this.files.set(path, Buffer.concat([before, part])));
    this.files.set(path, Buffer.concat([before, bytes]));
    return Promise.resolve();
  }

  async read(path: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.files.get(path));
  }

  async size(path: string): Promise<number | undefined> {
    return Promise.resolve(this.files.get(path)?.length);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#change(() => {});
    const bytes = this.files.get(from);
    if (bytes === undefined) throw Object.assign(new Error(`ENOENT ${from}`), { code: "ENOENT" });
    this.files.delete(from);
    this.files.set(to, bytes);
    return Promise.resolve();
  }

  async truncate(path: string, bytes: number): Promise<void> {
    this.#change(() => {});
    this.files.set(path, this.files.get(path)!.subarray(0, bytes));
    return Promise.resolve();
  }

  async remove(path: string): Promise<void> {
    this.#change(() => {});
    this.files.delete(path);
    return Promise.resolve();
  }

  async syncFolders(): Promise<void> {
    return Promise.resolve();
  }

  async list(): Promise<string[]> {
    return Promise.resolve([...this.files.keys()].toSorted());
  }

  #change(partly: () => void): void {
    if (this.changes++ >= this.cutAt) {
      if (this.changes - 1 === this.cutAt) partly();
      throw Object.assign(new Error("EIO: the power is gone"), { code: "EIO" });
    }
    if (!this.full) return;
    partly();
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  }
}
