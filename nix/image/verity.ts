import { rm, stat, truncate } from "node:fs/promises";
import { run } from "./run.ts";
import type { FixedIds } from "./fixed-ids.ts";

/** What the kernel has to know to check a root file system; 4096-byte blocks, SHA-256. */
export interface VerityTree {
  /** Hex. */
  readonly rootHash: string;
  readonly salt: string;
  /** Blocks of the file system. */
  readonly dataBlocks: number;
  /** First block of hashes in the file, behind its header. */
  readonly hashStart: number;
}

const BLOCK = 4096;

/** Writes the hashes of `file`, padded to whole blocks, to `hashes`. */
export async function makeVerity(file: string, hashes: string, ids: FixedIds): Promise<VerityTree> {
  const { size } = await stat(file);
  const dataBlocks = Math.ceil(size / BLOCK);
  await truncate(file, dataBlocks * BLOCK);
  await rm(hashes, { force: true });
  const salt = ids.bytes("salt").toString("hex");
  const options = [
    ["data-block-size", BLOCK],
    ["hash-block-size", BLOCK],
    ["hash", "sha256"],
    ["salt", salt],
    ["uuid", ids.uuid("verity header")],
  ].map(([key, value]) => `--${key}=${value}`);
  const text = await run("veritysetup", ["format", file, hashes, ...options]);
  const rootHash = /Root hash:\s+([0-9a-f]{64})/.exec(text)?.[1];
  if (rootHash === undefined) throw new Error(`veritysetup names no root hash: ${text}`);
  return { rootHash, salt, dataBlocks, hashStart: 1 };
}
