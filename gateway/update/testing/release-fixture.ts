import { createHash } from "node:crypto";
import { VerityBuilder, VERITY_BLOCK_BYTES, verityBytes } from "@paddock/wire/dm-verity.ts";
import { SECTOR_BYTES, tableFor } from "@paddock/wire/gpt.ts";
import { generateIdentity, type SigningIdentity } from "@paddock/wire/identity.ts";
import { chunksOf, type Chunk } from "@paddock/wire/release/chunks.ts";
import { signManifest, type ReleaseManifest } from "@paddock/wire/release/manifest.ts";
import { encodeUpdateHead } from "@paddock/wire/release/update-file.ts";
import { emptyTable, entryOf } from "@paddock/wire/testing/gpt-image.ts";
import { architecture } from "../device.ts";

const MIB = 1024 * 1024;

export interface ReleaseFixture {
  readonly manifest: ReleaseManifest;
  readonly encoded: Buffer;
  readonly root: Buffer;
  readonly uki: Buffer;
  readonly verity: Buffer;
  /** The whole update. */
  readonly update: Buffer;
}

/** Bytes that are the same for the same words. */
export function bytesOf(words: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(words).digest();
}

export const MAKER: SigningIdentity = generateIdentity();

export interface ReleaseWishes {
  readonly root?: Buffer;
  readonly uki?: Buffer;
  readonly arch?: string;
  readonly board?: string;
  readonly signer?: SigningIdentity;
}

/** A small release. */
export async function makeRelease(version: string, wishes: ReleaseWishes = {}): Promise<ReleaseFixture> {
  const root = wishes.root ?? bytesOf(`root of ${version}`, 200 * VERITY_BLOCK_BYTES);
  const uki = wishes.uki ?? bytesOf(`program of ${version}`, 24 * VERITY_BLOCK_BYTES + 123);
  const part = { salt: bytesOf("salt", 32), uuid: bytesOf("uuid", 16) };
  const builder = new VerityBuilder(root.length / VERITY_BLOCK_BYTES, part);
  builder.add(root);
  const tree = builder.finish();
  const manifest: ReleaseManifest = {
    version,
    arch: wishes.arch ?? architecture(),
    board: wishes.board ?? "uefi",
    supportedUntil: "2031-12-31",
    created: 1_790_000_000,
    commit: "0".repeat(40),
    root: { ...part, rootHash: tree.rootHash, bytes: root.length, chunks: await chunksIn(root) },
    uki: { bytes: uki.length, chunks: await chunksIn(uki) },
  };
  const encoded = signManifest(wishes.signer ?? MAKER, manifest);
  const update = Buffer.concat([encodeUpdateHead(encoded.length), encoded, root, uki]);
  return { manifest, encoded, root, uki, verity: tree.bytes, update };
}

export async function chunksIn(bytes: Uint8Array): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  for await (const chunk of chunksOf(read, bytes.length)) chunks.push(chunk);
  return chunks;
}

export interface DiskWishes {
  /** Of each root slot. */
  readonly rootMiB?: number;
}

/** A disk with a release in its first slot, as it is after flashing. */
export function diskWith({ manifest, root, verity }: ReleaseFixture, { rootMiB = 1 }: DiskWishes = {}): Buffer {
  const { version } = manifest;
  const labels = ["esp", "CONFIG", `paddock_${version}`, `paddock_${version}_verity`, "_empty", "_empty"];
  const mib = [1, 1, rootMiB, 1, rootMiB, 1];
  const disk = Buffer.alloc((2 + mib.reduce((sum, one) => sum + one, 0)) * MIB);
  let at = MIB;
  const entries = labels.map((label, index) => {
    const first = at / SECTOR_BYTES;
    at += mib[index]! * MIB;
    return entryOf(label, first, at / SECTOR_BYTES - 1);
  });
  const { start, end } = tableFor({ partitions: [], bytes: emptyTable(disk.length) }, disk.length, entries);
  disk.set(start, 0);
  disk.set(end, disk.length - end.length);
  disk.set(root, 3 * MIB);
  disk.set(verity, (3 + rootMiB) * MIB);
  if (verity.length !== verityBytes(root.length / VERITY_BLOCK_BYTES)) throw new Error("a tree of another length");
  return disk;
}
