import { createPrivateKey } from "node:crypto";
import { copyFile, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dataBlocksOf, VERITY_BLOCK_BYTES } from "@paddock/wire/dm-verity.ts";
import { identityFromPrivateKey } from "@paddock/wire/identity.ts";
import { chunksOf, type ReadBytes } from "@paddock/wire/release/chunks.ts";
import { signManifest, type ReleasePart } from "@paddock/wire/release/manifest.ts";
import { encodeUpdateHead, releaseFileName } from "@paddock/wire/release/update-file.ts";
import type { BuiltImage } from "./build.ts";
import type { Partition } from "./disk.ts";
import { run } from "./run.ts";

/** What the images of this builder are for. */
export const BOARD = "uefi";

const COPY_BYTES = 1024 * 1024;

export interface UpdateOptions {
  readonly version: string;
  readonly out: string;
  /** Until when there will be updates: YYYY-MM-DD. */
  readonly supportUntil: string;
  /** PEM of the Ed25519 key that signs. */
  readonly key: string;
  /** Of the sources, hex, and when it was made, Unix seconds. */
  readonly commit: string;
  readonly created: number;
}

/**
 * Writes the update of an image, its manifest alone, and that under the name of the newest. Everything is read from the image
 * itself: what is flashed and what is updated cannot differ. Resolves with the names of the files.
 */
export async function writeUpdate(image: BuiltImage, options: UpdateOptions): Promise<string[]> {
  const { version, out, supportUntil, commit, created } = options;
  const arch = image.architecture.name;
  const signer = identityFromPrivateKey(createPrivateKey(await readFile(options.key)));
  const uki = await programOf(image, version, out);
  const file = await open(image.raw, "r");
  try {
    const { root, verity } = slotOf(image.partitions, version);
    const header = await readAt(file, verity.start, VERITY_BLOCK_BYTES);
    const bytes = dataBlocksOf(header)! * VERITY_BLOCK_BYTES;
    const readRoot: ReadBytes = (offset, length) => readAt(file, root.start + offset, length);
    const manifest = signManifest(signer, {
      version,
      arch,
      board: BOARD,
      supportedUntil: supportUntil,
      created,
      commit,
      root: {
        ...(await partOf(readRoot, bytes)),
        rootHash: Buffer.from(image.rootHash, "hex"),
        salt: header.subarray(88, 88 + header.readUInt16LE(80)),
        uuid: header.subarray(16, 32),
      },
      uki: await partOf(async (offset, length) => uki.subarray(offset, offset + length), uki.length),
    });
    const names = {
      update: releaseFileName(version, arch, "update"),
      manifest: releaseFileName(version, arch, "manifest"),
      latest: releaseFileName("latest", arch, "manifest"),
    };
    const update = await open(join(out, names.update), "w");
    try {
      await update.writeFile(Buffer.concat([encodeUpdateHead(manifest.length), manifest]));
      for (let at = 0; at < bytes; at += COPY_BYTES)
        await update.writeFile(await readRoot(at, Math.min(COPY_BYTES, bytes - at)));
      await update.writeFile(uki);
    } finally {
      await update.close();
    }
    await writeFile(join(out, names.manifest), manifest);
    await copyFile(join(out, names.manifest), join(out, names.latest));
    return Object.values(names);
  } finally {
    await file.close();
  }
}

function slotOf(partitions: readonly Partition[], version: string): { root: Partition; verity: Partition } {
  const named = (label: string): Partition => partitions.find((one) => one.label === label)!;
  return { root: named(`paddock_${version}`), verity: named(`paddock_${version}_verity`) };
}

async function partOf(read: ReadBytes, bytes: number): Promise<ReleasePart> {
  const chunks = [];
  for await (const chunk of chunksOf(read, bytes)) chunks.push(chunk);
  return { bytes, chunks };
}

/** The program for the boot loader, out of the image's boot partition. */
async function programOf(image: BuiltImage, version: string, out: string): Promise<Buffer> {
  const esp = image.partitions.find(({ label }) => label === "esp")!;
  const fat = `${image.raw}@@${esp.start}`;
  const listed = await run("mdir", ["-b", "-i", fat, "::/EFI/Linux"]);
  const path = listed.split("\n").find((line) => line.includes(`/paddock_${version}+`));
  if (path === undefined) throw new Error(`${image.raw} has no program for ${version}: ${listed}`);
  const copy = join(out, ".program.efi");
  try {
    await run("mcopy", ["-n", "-i", fat, path.trim(), copy]);
    return await readFile(copy);
  } finally {
    await rm(copy, { force: true });
  }
}

async function readAt(file: Awaited<ReturnType<typeof open>>, offset: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
  if (bytesRead !== length) throw new Error(`the image ends at byte ${offset + bytesRead}`);
  return buffer;
}
