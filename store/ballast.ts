import { randomFillSync } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";

/**
 * A file that only takes up room. When the disk runs short it is given up, so that deleting, which first has to write,
 * still works.
 */
export class Ballast {
  readonly #path: string;
  readonly bytes: number;
  #held: boolean;
  #reserving: Promise<void> | undefined;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.bytes = bytes;
    const found = statSync(path, { throwIfNoEntry: false })?.size;
    this.#held = found !== undefined && found === bytes && bytes > 0;
    if (found !== undefined && !this.#held) rmSync(path, { force: true });
  }

  get held(): boolean {
    return this.#held;
  }

  /** Takes the room, in the background where nobody waits. A failure leaves it untaken. */
  reserve(): Promise<void> {
    if (this.#held || this.bytes === 0) return Promise.resolve();
    this.#reserving ??= this.#write().finally(() => (this.#reserving = undefined));
    return this.#reserving;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    // Somebody in want of room may have removed it by hand.
    rmSync(this.#path, { force: true });
  }

  async settle(): Promise<void> {
    await this.#reserving;
  }

  async #write(): Promise<void> {
    // Random bytes, because a file system may store zeros in no room at all.
    const chunk = randomFillSync(Buffer.allocUnsafe(Math.min(this.bytes, 1 << 20)));
    const partial = `${this.#path}.partial`;
    try {
      const file = await open(partial, "w", 0o600);
      try {
        for (let written = 0; written < this.bytes; written += chunk.length) {
          await file.write(chunk, 0, Math.min(chunk.length, this.bytes - written));
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, this.#path);
      this.#held = true;
    } catch {
      await rm(partial, { force: true });
    }
  }
}
