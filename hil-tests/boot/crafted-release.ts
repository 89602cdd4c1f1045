import { createPrivateKey, randomBytes } from "node:crypto";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { releaseArgument } from "@paddock/nix/image/initrd.ts";
import { dataBlocksOf, VERITY_BLOCK_BYTES, VerityBuilder } from "@paddock/wire/dm-verity.ts";
import { identityFromPrivateKey, type SigningIdentity } from "@paddock/wire/identity.ts";
import { chunksOf, type Chunk } from "@paddock/wire/release/chunks.ts";
import { signManifest, type ReleaseManifest } from "@paddock/wire/release/manifest.ts";
import { encodeUpdateHead, releaseFileName } from "@paddock/wire/release/update-file.ts";
import { Disk } from "./disk.ts";
import { releaseKeyFile } from "./release-key.ts";

const ARCHITECTURE = "x86-64";

export interface ReleaseWishes {
  readonly version: string;
  /** Folder that gets its files; made if it is not there. */
  readonly folder: string;
  /** Noise behind the root file system, which nobody reads: what a device has to fetch. Bytes, whole blocks. */
  readonly tailBytes?: number;
  /** A word for the kernel, in place of the last one that the image has; no longer than that. */
  readonly kernelWord?: string;
  /** Default: the one whose releases the image takes. */
  readonly signer?: SigningIdentity;
}

export interface CraftedRelease {
  readonly version: string;
  readonly folder: string;
  /** Name of the update, and its path. */
  readonly name: string;
  readonly update: string;
  readonly manifestFile: string;
  /** Bytes of the update in front of the root file system. */
  readonly headBytes: number;
  readonly manifest: ReleaseManifest;
}

/**
 * Makes a release that differs from that of an image, without building one: the root file system is the image's, and the
 * program for the boot loader is, too, but for what its texts say of the release. Versions have equal lengths.
 */
export async function craftRelease(image: string, ours: string, wishes: ReleaseWishes): Promise<CraftedRelease> {
  const { version, folder, tailBytes = 0, kernelWord, signer = await releaseSigner() } = wishes;
  const disk = Disk.of(image);
  const header = await readPart(disk, `paddock_${ours}_verity`, VERITY_BLOCK_BYTES);
  const rootBytes = dataBlocksOf(header)! * VERITY_BLOCK_BYTES;
  const root = Buffer.concat([await readPart(disk, `paddock_${ours}`, rootBytes), randomBytes(tailBytes)]);
  const part = { salt: header.subarray(88, 88 + header.readUInt16LE(80)), uuid: header.subarray(16, 32) };
  const dataBlocks = root.length / VERITY_BLOCK_BYTES;
  const builder = new VerityBuilder(dataBlocks, part);
  builder.add(root);
  const { rootHash } = builder.finish();
  const facts = {
    dataBlocks,
    hashStart: 1,
    rootHash: rootHash.toString("hex"),
    salt: part.salt.toString("hex"),
  };
  const [program] = await disk.list("esp", "EFI/Linux");
  const argument = releaseArgument(version, facts);
  const uki = renamed(await disk.read("esp", `EFI/Linux/${program}`), ours, version, argument, kernelWord);
  const manifest: ReleaseManifest = {
    version,
    arch: ARCHITECTURE,
    board: "uefi",
    supportedUntil: "2031-12-31",
    created: 1_790_000_000,
    commit: "0".repeat(40),
    root: { ...part, rootHash, bytes: root.length, chunks: await chunksIn(root) },
    uki: { bytes: uki.length, chunks: await chunksIn(uki) },
  };
  const encoded = signManifest(signer, manifest);
  await mkdir(folder, { recursive: true });
  const file = (kind: "update" | "manifest", name = version): string =>
    join(folder, releaseFileName(name, ARCHITECTURE, kind));
  const head = encodeUpdateHead(encoded.length);
  await writeFile(file("update"), Buffer.concat([head, encoded, root, uki]));
  for (const name of [version, "latest"]) await writeFile(file("manifest", name), encoded);
  return {
    version,
    folder,
    name: releaseFileName(version, ARCHITECTURE, "update"),
    update: file("update"),
    manifestFile: file("manifest"),
    headBytes: head.length + encoded.length,
    manifest,
  };
}

async function releaseSigner(): Promise<SigningIdentity> {
  return identityFromPrivateKey(createPrivateKey(await readFile(releaseKeyFile())));
}

async function readPart(disk: Disk, label: string, bytes: number): Promise<Buffer> {
  const { start } = await disk.partition(label);
  const file = await open(disk.path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, start);
    return buffer;
  } finally {
    await file.close();
  }
}

async function chunksIn(bytes: Buffer): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  const read = async (offset: number, length: number): Promise<Buffer> => bytes.subarray(offset, offset + length);
  for await (const chunk of chunksOf(read, bytes.length)) chunks.push(chunk);
  return chunks;
}

/** The program with the texts of another release, each of the length that it had. */
function renamed(program: Buffer, ours: string, version: string, argument: string, kernelWord?: string): Buffer {
  if (version.length !== ours.length) throw new Error(`${version} is not as long as ${ours}`);
  const text = program
    .toString("latin1")
    .replace(`VERSION_ID=${ours}\n`, `VERSION_ID=${version}\n`)
    .replace(`IMAGE_VERSION=${ours}\n`, `IMAGE_VERSION=${version}\n`);
  const at = text.indexOf(`paddock.release=${ours}:`);
  const old = text.slice(at, text.indexOf("\0", at));
  const [, ...words] = old.split(" ");
  if (kernelWord !== undefined) words.splice(-1, 1, kernelWord);
  const line = [argument, ...words].join(" ");
  if (at < 0 || line.length > old.length) throw new Error(`${line} has no room in place of ${old}`);
  return Buffer.from(
    text.replace(old, () => line.padEnd(old.length)),
    "latin1",
  );
}
