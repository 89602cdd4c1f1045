import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/**
 * The files that come with an image: SHA256SUMS with its signature (Ed25519 over the file's bytes, RFC 8032), and the
 * block map. What is not listed there is not believed.
 */

const SMALL_FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface CheckedRelease {
  /** SHA-256 of the image file as it was given, in hex. */
  readonly sha256: string;
  /** Text of the block map; undefined when the release has none. */
  readonly blockMap: string | undefined;
  /** Whether a key vouches for the sums. */
  readonly signed: boolean;
}

export interface ReleaseTrust {
  /** The key that must have signed; undefined: sums without a signature will do. */
  readonly key: KeyObject | undefined;
  /** Called with bytes of the image hashed so far. */
  readonly progress?: (bytes: number) => void;
}

/** A public Ed25519 key in a PEM file. Throws IMAGE_INVALID. */
export async function readReleaseKey(path: string): Promise<KeyObject> {
  const text = await readSmall(path, "The key of the release");
  try {
    const key = createPublicKey(text);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Told below: whatever else it is, it is no such key.
  }
  throw new PaddockError("IMAGE_INVALID", `${path} is no Ed25519 public key in PEM.`, {
    remedy: "Take release.pub.pem from the people who made the image, not from beside the image.",
  });
}

/**
 * Checks an image file against the sums beside it, and the sums against their signature, before anything is written.
 * Throws IMAGE_INVALID with what does not hold.
 */
export async function checkRelease(image: string, trust: ReleaseTrust): Promise<CheckedRelease> {
  const sumsPath = join(dirname(image), "SHA256SUMS");
  const sums = await readSmall(sumsPath, "The list of checksums");
  if (trust.key !== undefined) {
    const signature = await readSmall(`${sumsPath}.sig`, "The signature of the list of checksums");
    if (!verify(null, sums, trust.key, signature)) {
      throw new PaddockError("IMAGE_INVALID", `${sumsPath} is not signed by the key that you gave.`, {
        remedy: "Do not use this image: download it again, and compare the key with its maker's.",
      });
    }
  }
  const listed = readSums(sums.toString("utf8"));
  const sha256 = await hashFile(image, trust.progress);
  assertListed(listed, image, sha256);
  const mapPath = `${withoutCompression(image)}.bmap`;
  const blockMap = await readOptional(mapPath);
  if (blockMap !== undefined) {
    assertListed(listed, mapPath, createHash("sha256").update(blockMap).digest("hex"));
  }
  return { sha256, blockMap: blockMap?.toString("utf8"), signed: trust.key !== undefined };
}

/** The name of the image inside: without .xz, .zst or .gz. */
export function withoutCompression(image: string): string {
  return image.replace(/\.(xz|zst|gz)$/u, "");
}

/** File names and their hashes, as `sha256sum` writes them. */
export function readSums(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/u).map((line) => /^([0-9a-f]{64}) [ *](.+)$/u.exec(line));
  return new Map(lines.filter((match) => match !== null).map((match) => [match[2]!, match[1]!]));
}

function assertListed(listed: ReadonlyMap<string, string>, path: string, sha256: string): void {
  const wanted = listed.get(basename(path));
  if (wanted === sha256) return;
  const problem =
    wanted === undefined
      ? `SHA256SUMS does not list ${basename(path)}.`
      : `${path} has the SHA-256 ${sha256}, but SHA256SUMS says ${wanted}.`;
  throw new PaddockError("IMAGE_INVALID", problem, { remedy: "Download the image with all files beside it again." });
}

async function hashFile(path: string, progress?: (bytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      progress?.(bytes);
    }
  } catch (error) {
    throw new PaddockError("IMAGE_INVALID", `The image ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Check the path.",
    });
  }
  return hash.digest("hex");
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmall(path, "The block map");
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
    throw error;
  }
}

async function readSmall(path: string, what: string): Promise<Buffer> {
  try {
    if ((await stat(path)).size > SMALL_FILE_BYTES_MAX) throw new Error("it is larger than 64 MiB");
    return await readFile(path);
  } catch (error) {
    throw new PaddockError("IMAGE_INVALID", `${what}, ${path}, cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Put all files of the release into one directory.",
    });
  }
}
