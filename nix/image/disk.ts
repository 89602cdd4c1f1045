import { createReadStream } from "node:fs";
import { open, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Architecture } from "./architectures.ts";
import { uuidText, type FixedIds } from "./fixed-ids.ts";
import { run } from "./run.ts";

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;

/** Sizes of the partitions, MiB. The slots do not change with what is in them: the next release has to fit, too. */
export const SIZES_MIB = { esp: 128, config: 16, root: 128, verity: 8 } as const;
/** Room in front for the table; as much stays free behind for the copy of it. */
const TABLE_MIB = 1;

/** Types of partitions that are the same for every processor (UAPI.2, discoverable partitions; Microsoft's for data). */
const TYPES = {
  esp: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
  config: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
} as const;

export interface DiskParts {
  readonly version: string;
  readonly ids: FixedIds;
  /** File systems and hashes, each of which goes into the partition of its name. */
  readonly files: { readonly esp: string; readonly config: string; readonly root: string; readonly verity: string };
  /** Hash of the verity tree, hex: its halves name the two partitions, so that they find each other. */
  readonly rootHash: string;
}

export interface Partition {
  readonly label: string;
  readonly type: keyof typeof SIZES_MIB;
  readonly uuid: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
  readonly file: string | undefined;
}

/** The partitions of an image, in order. That of the data is missing: the device makes it, so that it is new for certain. */
export function partitionsOf({ version, ids, files, rootHash }: DiskParts): Partition[] {
  const half = (at: number): string => uuidText(rootHash.slice(at, at + 32));
  const list = [
    { label: "esp", type: "esp", uuid: ids.uuid("esp"), file: files.esp },
    { label: "CONFIG", type: "config", uuid: ids.uuid("config"), file: files.config },
    { label: `paddock_${version}`, type: "root", uuid: half(0), file: files.root },
    { label: `paddock_${version}_verity`, type: "verity", uuid: half(32), file: files.verity },
    { label: "_empty", type: "root", uuid: ids.uuid("root B"), file: undefined },
    { label: "_empty", type: "verity", uuid: ids.uuid("verity B"), file: undefined },
  ] as const;
  let start = TABLE_MIB * MIB;
  return list.map((one) => {
    const size = SIZES_MIB[one.type] * MIB;
    start += size;
    return Object.assign(one, { start: start - size, size });
  });
}

/** Bytes of the whole image. */
export function imageBytesOf(partitions: readonly Partition[]): number {
  const last = partitions.at(-1)!;
  return last.start + last.size + TABLE_MIB * MIB;
}

/** Writes the image: table, file systems, hashes. Needs neither root nor a loop device. */
export async function writeDisk(
  to: string,
  partitions: readonly Partition[],
  { ids, architecture }: { readonly ids: FixedIds; readonly architecture: Architecture },
): Promise<void> {
  const types = { ...TYPES, ...architecture.partitionTypes };
  await rm(to, { force: true });
  await writeFile(to, "");
  await truncate(to, imageBytesOf(partitions));
  const script = [
    "label: gpt",
    `label-id: ${ids.uuid("disk")}`,
    `sector-size: ${SECTOR_BYTES}`,
    ...partitions.map(
      ({ label, type, uuid, start, size }) =>
        `start=${start / SECTOR_BYTES}, size=${size / SECTOR_BYTES}, type=${types[type]}, uuid=${uuid}, name="${label}"`,
    ),
    "",
  ];
  const scriptFile = `${to}.sfdisk`;
  await writeFile(scriptFile, script.join("\n"));
  await run("sh", ["-c", 'exec sfdisk --quiet --no-reread --no-tell-kernel "$1" < "$2"', "sh", to, scriptFile]);
  await rm(scriptFile);
  for (const { label, start, size, file } of partitions) {
    if (file === undefined) continue;
    const { size: bytes } = await stat(file);
    if (bytes > size) throw new Error(`${label} needs ${bytes} bytes, and its partition has ${size}`);
    const image = await open(to, "r+");
    await pipeline(createReadStream(file), image.createWriteStream({ start }));
  }
}

/** A FAT file system with the given files (path inside to file outside), the same bytes whenever it is made. */
export async function makeFat(
  to: string,
  { label, bits, mib, id, scratch }: { label: string; bits: 16 | 32; mib: number; id: string; scratch: string },
  files: Readonly<Record<string, string>>,
): Promise<void> {
  await rm(to, { force: true });
  await writeFile(to, "");
  await truncate(to, mib * MIB);
  // One sector in a cluster of FAT32: with more, 128 MiB have too few clusters to be one.
  await run("mkfs.vfat", [
    "--invariant",
    "-F",
    String(bits),
    ...(bits === 32 ? ["-s", "1"] : []),
    "-i",
    id,
    "-n",
    label,
    to,
  ]);
  const folders = Object.keys(files).flatMap((path) => {
    const parts = path.split("/").slice(0, -1);
    return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  });
  for (const folder of [...new Set(folders)].toSorted()) await run("mmd", ["-i", to, `::/${folder}`]);
  for (const [path, file] of Object.entries(files)) {
    const copy = join(scratch, "fat-file");
    await run("cp", [file, copy]);
    // FAT begins in 1980.
    await utimes(copy, 315_532_800, 315_532_800);
    await run("mcopy", ["-m", "-i", to, copy, `::/${path}`]);
  }
}
