import type { ReleaseManifest } from "@paddock/wire/release/manifest.ts";

/** A disk. What was written is on it for certain once `sync` has resolved, and not before. Rejects with what node:fs says. */
export interface BlockDisk {
  readonly bytes: number;
  /** Exactly `length` bytes. */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
}

/** The folder of the EFI system partition that the boot loader looks for releases in. */
export interface BootFiles {
  list(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /** Bytes that a new file may have. */
  room(): Promise<number>;
  /** Exactly `length` bytes. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  /** Makes a file of these pieces, over one of that name. */
  write(name: string, pieces: AsyncIterable<Uint8Array>): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Names and contents are durable. */
  sync(): Promise<void>;
}

export type PartName = "root" | "uki";

/** A release whose manifest is believed; the rest is hashed by whoever reads it. */
export interface ReleaseSource {
  readonly manifest: ReleaseManifest;
  /** SHA-256 of the manifest, hex. */
  readonly manifestSha256: string;
  /** Exactly `length` bytes of a part. Throws UPDATE_SOURCE. */
  read(part: PartName, offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface InstallProgress {
  readonly step: "looking" | "root" | "hashes" | "program" | "done";
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of all that had to come from the source. */
  readonly fetchedBytes: number;
}
