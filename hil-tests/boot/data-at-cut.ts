import { execFile } from "node:child_process";
import { createDecipheriv } from "node:crypto";
import { mkdir, open, truncate, writeFile, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { HEAD_BYTES } from "@paddock/wire/key-slot.ts";
import type { PartitionPlace } from "./disk.ts";
import { cutAt, type LoggedWrite, type LogEntry } from "./write-log.ts";

const exec = promisify(execFile);
const ENVIRONMENT = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
/** What dm-crypt encrypts as one, and what it counts in (`tableOf` in gateway/data). */
const CRYPT_BYTES = 4096;
const COUNTED_BYTES = 512;

/** A cut of the power, for `DataAtCuts`. */
export interface Cut {
  /** Bytes that the log had. */
  readonly logBytes: number;
  /** Whether the disk had still done a write that nothing had made safe. */
  readonly keep: () => boolean;
  /** Flushes before the cut that the disk only pretended to do. */
  readonly flushesFaked?: number;
}

/**
 * The file system of an encrypted data partition as cuts of the power may have left it, from the log of what the disk was told
 * and the partition's key, without a machine: the log is of its first start, since it begins with an empty partition.
 */
export class DataAtCuts {
  readonly #entries: readonly LogEntry[];
  readonly #log: FileHandle;
  readonly #partition: PartitionPlace;
  readonly #key: Buffer;

  private constructor(entries: readonly LogEntry[], log: FileHandle, partition: PartitionPlace, key: Buffer) {
    this.#entries = entries;
    this.#log = log;
    this.#partition = partition;
    this.#key = key;
  }

  static async open(
    entries: readonly LogEntry[],
    logPath: string,
    partition: PartitionPlace,
    key: Buffer,
  ): Promise<DataAtCuts> {
    return new DataAtCuts(entries, await open(logPath, "r"), partition, key);
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  /**
   * Copies the gateway's folder into `directory` as it is behind the next start, which takes up the journal of the file system.
   * Resolves with how many writes were lost. Rejects when the file system is damaged.
   */
  async recover({ logBytes, keep, flushesFaked = 0 }: Cut, directory: string): Promise<number> {
    const { safe, loose } = this.#told(logBytes, flushesFaked);
    const kept = loose.filter(() => keep());
    const image = `${directory}.ext4`;
    await mkdir(directory, { recursive: true });
    await writeFile(image, "");
    await truncate(image, this.#partition.size - HEAD_BYTES);
    const file = await open(image, "r+");
    try {
      for (const write of [...safe, ...kept].toSorted((a, b) => a.order - b.order)) await this.#apply(write, file);
    } finally {
      await file.close();
    }
    await exec("e2fsck", ["-y", "-E", "journal_only", image], { env: ENVIRONMENT });
    // As a mount does, it takes up files that were open and had been removed; it ends with 1 when it did, and with more at damage.
    await exec("e2fsck", ["-f", "-p", image], { env: ENVIRONMENT }).catch((error: { readonly code?: unknown }) => {
      if (error.code !== 1) throw error;
    });
    await exec("e2fsck", ["-f", "-n", image], { env: ENVIRONMENT });
    await exec("debugfs", ["-R", `rdump /lib/paddock ${directory}`, image], { env: ENVIRONMENT });
    return loose.length - kept.length;
  }

  #told(logBytes: number, flushesFaked: number): ReturnType<typeof cutAt> {
    const told = cutAt(this.#entries, logBytes);
    if (flushesFaked === 0) return told;
    const flushes = this.#entries.filter(({ flush, end }) => flush && end <= logBytes);
    const lastDone = flushes.at(-flushesFaked - 1)?.end ?? 0;
    const { safe, loose } = cutAt(this.#entries, lastDone);
    const since = this.#entries.flatMap(({ write, end }) =>
      write !== undefined && end > lastDone && end <= logBytes ? [write] : [],
    );
    return { safe, loose: [...loose, ...since], flushes: told.flushes - flushesFaked };
  }

  async #apply({ to, length, from }: LoggedWrite, file: FileHandle): Promise<void> {
    const at = to - this.#partition.start - HEAD_BYTES;
    if (at < 0 || to >= this.#partition.start + this.#partition.size) return;
    const bytes = Buffer.alloc(length);
    if (from !== undefined) {
      await this.#log.read(bytes, 0, length, from);
      for (let offset = 0; offset < length; offset += CRYPT_BYTES)
        this.#decrypt(bytes.subarray(offset, offset + CRYPT_BYTES), at + offset);
    }
    await file.write(bytes, 0, length, at);
  }

  #decrypt(block: Buffer, at: number): void {
    const number = Buffer.alloc(16);
    number.writeBigUInt64LE(BigInt(at / COUNTED_BYTES));
    block.set(createDecipheriv("aes-256-xts", this.#key, number).update(block));
  }
}
