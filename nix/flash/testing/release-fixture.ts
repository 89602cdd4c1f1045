import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { tableFor } from "@paddock/wire/gpt.ts";
import { emptyTable, entryOf } from "@paddock/wire/testing/gpt-image.ts";

/**
 * A small release to flash in tests: an image with a real partition table, its block map, checksums and signature. Made here
 * from the formats' own words, not by the code under test, except for the table that is put at the disk's end.
 */

export const SECTOR = 512;
const MIB = 1024 * 1024;
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

export interface PartitionPlan {
  readonly label: string;
  readonly mib: number;
  readonly fill?: number;
  /** As the UEFI specification writes it. */
  readonly type?: string;
}

export const PLAN: readonly PartitionPlan[] = [
  { label: "esp", mib: 1, fill: 0x11 },
  { label: "CONFIG", mib: 1 },
  { label: "paddock_1.2.3", mib: 2, fill: 0x33 },
  { label: "paddock_1.2.3_verity", mib: 1, fill: 0x44 },
  { label: "_empty", mib: 2 },
];

/** An image with the planned partitions, one after the other from 1 MiB on. */
export function imageOf(plan: readonly PartitionPlan[] = PLAN): Buffer {
  const bytes = (2 + plan.reduce((sum, { mib }) => sum + mib, 0)) * MIB;
  const image = Buffer.alloc(bytes);
  const entries: Buffer[] = [];
  let at = MIB;
  for (const { label, mib, fill = 0, type } of plan) {
    image.fill(fill, at, at + mib * MIB);
    const entry = entryOf(label, at / SECTOR, at / SECTOR + (mib * MIB) / SECTOR - 1);
    if (type !== undefined) entry.set(guidBytes(type));
    entries.push(entry);
    at += mib * MIB;
  }
  const { start, end } = tableFor({ partitions: [], bytes: emptyTable(bytes) }, bytes, entries);
  image.set(start, 0);
  image.set(end, bytes - end.length);
  return image;
}

/** A GUID as it lies in a table: three numbers with the lowest byte first, then eight bytes in order. */
function guidBytes(text: string): Buffer {
  const [first, second, third, ...rest] = text.split("-");
  const numbers = [first!, second!, third!].map((hex) => Buffer.from(hex, "hex").toReversed());
  return Buffer.concat([...numbers, Buffer.from(rest.join(""), "hex")]);
}

/** The block map of an image: every block that is not all zeros, as bmaptool would write it. */
export function blockMapOf(image: Buffer): string {
  const ranges: string[] = [];
  const blocks = image.length / BLOCK;
  const isMapped = (block: number) => !image.subarray(block * BLOCK, (block + 1) * BLOCK).equals(ZEROS);
  for (let first = 0; first < blocks; first++) {
    if (!isMapped(first)) continue;
    let last = first;
    while (last + 1 < blocks && isMapped(last + 1)) last++;
    const chksum = sha256(image.subarray(first * BLOCK, (last + 1) * BLOCK));
    ranges.push(`<Range chksum="${chksum}"> ${first === last ? first : `${first}-${last}`} </Range>`);
    first = last;
  }
  const text = `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> ${image.length} </ImageSize>
    <BlockSize> ${BLOCK} </BlockSize>
    <BlocksCount> ${blocks} </BlocksCount>
    <MappedBlocksCount> ${blocks} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${"0".repeat(64)} </BmapFileChecksum>
    <BlockMap>
        ${ranges.join("\n        ")}
    </BlockMap>
</bmap>
`;
  return text.replace("0".repeat(64), sha256(Buffer.from(text)));
}

export interface ReleaseFixture {
  readonly directory: string;
  /** The image as it is, and packed. */
  readonly raw: string;
  readonly zst: string;
  readonly publicKeyFile: string;
  readonly image: Buffer;
  /** Writes SHA256SUMS and its signature anew, for files that a test changed. */
  sums(files: Readonly<Record<string, Uint8Array>>): Promise<void>;
}

/** A release in a temporary directory. */
export async function makeRelease({
  withMap = true,
  image = imageOf(),
  board = "x86-64",
} = {}): Promise<ReleaseFixture> {
  const directory = await mkdtemp(join(tmpdir(), "paddock-release-"));
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = join(directory, `paddock_1.2.3_${board}.raw`);
  const packed = zstdCompressSync(image);
  const files: Record<string, Uint8Array> = { [basename(raw)]: image, [`${basename(raw)}.zst`]: packed };
  if (withMap) files[`${basename(raw)}.bmap`] = Buffer.from(blockMapOf(image));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  const publicKeyFile = join(directory, "release.pub.pem");
  await writeFile(publicKeyFile, publicKey.export({ type: "spki", format: "pem" }));
  const sums = (listed: Readonly<Record<string, Uint8Array>>) => writeSums(directory, listed, privateKey);
  await sums(files);
  return { directory, raw, zst: `${raw}.zst`, publicKeyFile, image, sums };
}

async function writeSums(
  directory: string,
  files: Readonly<Record<string, Uint8Array>>,
  key: KeyObject,
): Promise<void> {
  const lines = Object.entries(files).map(([name, content]) => `${sha256(content)}  ${name}\n`);
  const text = Buffer.from(lines.join(""));
  await writeFile(join(directory, "SHA256SUMS"), text);
  await writeFile(join(directory, "SHA256SUMS.sig"), sign(null, text, key));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
