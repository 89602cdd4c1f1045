import { createHash, createPrivateKey, sign } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Architecture } from "./architectures.ts";
import { blockMapOf, mappedRanges } from "./block-map.ts";
import type { BuiltImage } from "./build.ts";
import { imageBytesOf } from "./disk.ts";
import { SUITE } from "./debian.ts";
import { securityText } from "../release-documents/security-text.ts";
import { fence } from "../sbom/icon.ts";
import { ICON_FILE, osList } from "../sbom/os-list.ts";
import { billOfMaterials } from "../sbom/sbom.ts";
import { run } from "./run.ts";
import { BOARD } from "./update.ts";

export interface ReleaseOptions {
  readonly version: string;
  readonly out: string;
  /** Until when there will be updates: YYYY-MM-DD. */
  readonly supportUntil: string;
  /** PEM of the Ed25519 key that signs; undefined: not signed. */
  readonly key: string | undefined;
  /** Where weaknesses are reported; undefined: there will be no security.txt. */
  readonly contact: string | undefined;
  /** Where the release can be had, ending with a slash; empty: not said. */
  readonly url: string;
  readonly commit: string;
  /** Of the commit: YYYY-MM-DD. */
  readonly date: string;
  /** Names of files in `out` that were made before. */
  readonly more: readonly string[];
}

/**
 * Writes what goes with an image: compressed image, block map, bill of materials, list for Raspberry Pi Imager, security.txt,
 * release.json, SHA256SUMS and its signature.
 */
export async function writeRelease(image: BuiltImage, options: ReleaseOptions): Promise<Record<string, unknown>> {
  const { version, out, supportUntil, commit } = options;
  const name = basename(image.raw);
  const bytes = imageBytesOf(image.partitions);
  const ranges = await mappedRanges(image.raw, image.partitions);
  await writeFile(join(out, `${name}.bmap`), await blockMapOf(image.raw, bytes, ranges));
  // One thread: with more the bytes depend on how many.
  await run("xz", ["-T1", "-6", "--keep", "--force", image.raw]);
  const release = {
    version,
    arch: image.architecture.name,
    board: BOARD,
    supportUntil,
    commit,
    rootHash: image.rootHash,
    kernel: image.kernel,
    sizes: { ...image.sizes, image: bytes, download: (await stat(`${image.raw}.xz`)).size },
    packages: image.packages.map((one) => ({ name: one.name, version: one.version })),
  };
  await writeFile(join(out, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
  const documents = await documentsOf(image, options, bytes, release.sizes.download);
  for (const [file, content] of Object.entries(documents)) await writeFile(join(out, file), content);
  const names = [name, `${name}.xz`, `${name}.bmap`, "release.json", ...Object.keys(documents), ...options.more];
  await writeSums(out, names, options.key);
  return release;
}

/**
 * Throws when a folder holds images for another architecture: sums, release.json and os_list.json have the same names for
 * each. The folder need not be there.
 */
export async function assertOneArchitecture(out: string, { name }: Architecture): Promise<void> {
  const other = (await readdir(out).catch(() => [])).find((file) => {
    const found = /^paddock_[^_]+_([^_]+)\.raw(?:\.xz)?$/u.exec(file)?.[1];
    return found !== undefined && found !== name;
  });
  if (other !== undefined)
    throw new PaddockError("USAGE", `${out} has ${other}, whose SHA256SUMS and os_list.json would be replaced.`, {
      remedy: "Give --out a folder of its own for each architecture.",
    });
}

/** What people and their programs read of an image, by file name. */
async function documentsOf(
  { architecture, raw, parts, kernel }: BuiltImage,
  { version, commit, supportUntil, contact, url, date }: ReleaseOptions,
  size: number,
  downloadSize: number,
): Promise<Record<string, string | Uint8Array>> {
  const [sha256, downloadSha256] = [await sha256Of(raw), await sha256Of(`${raw}.xz`)];
  const file = `${basename(raw)}.xz`;
  return {
    [`paddock_${version}_${architecture.name}.cdx.json`]: billOfMaterials({
      architecture: architecture.name,
      version,
      imageSha256: sha256,
      commit,
      kernel,
      suite: SUITE,
      parts,
    }),
    "os_list.json": osList({
      version,
      architecture: architecture.name,
      supportUntil,
      url,
      file,
      downloadSize,
      downloadSha256,
      size,
      sha256,
      date,
    }),
    [ICON_FILE]: fence(),
    ...(contact === undefined ? {} : { "security.txt": securityText(contact, date) }),
  };
}

/** SHA256SUMS as sha256sum writes it, and with a key SHA256SUMS.sig, which is 64 bytes (RFC 8032, Ed25519). */
export async function writeSums(out: string, names: readonly string[], key: string | undefined): Promise<void> {
  const lines: string[] = [];
  for (const name of names.toSorted()) lines.push(`${await sha256Of(join(out, name))}  ${name}\n`);
  await writeFile(join(out, "SHA256SUMS"), lines.join(""));
  const signature = join(out, "SHA256SUMS.sig");
  if (key === undefined) await rm(signature, { force: true });
  else await writeFile(signature, sign(null, Buffer.from(lines.join("")), createPrivateKey(await readFile(key))));
}

/** SHA-256 of a file, hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}
