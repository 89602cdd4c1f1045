import { PaddockError } from "@paddock/base/errors.ts";
import { VerityBuilder, VERITY_BLOCK_BYTES } from "@paddock/wire/dm-verity.ts";
import type { Chunk } from "@paddock/wire/release/chunks.ts";
import { bootEntries, newEntryFile, otherPrograms, partialFile } from "./boot-entries.ts";
import { ChunkFetcher } from "./chunk-fetcher.ts";
import { isChunk, LocalChunks } from "./local-chunks.ts";
import type { BlockDisk, BootFiles, InstallProgress, PartName, ReleaseSource } from "./ports.ts";
import { isNamed, namesFor, writeNames, type Place, type Slots } from "./slots.ts";

/** Bytes that are written before the disk has to have them: memory is for the gateway. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

export interface Installation {
  readonly disk: BlockDisk;
  readonly boot: BootFiles;
  readonly source: ReleaseSource;
  readonly slots: Slots;
  /** Version that runs: its slot and its program are read, never written. */
  readonly running: string;
  readonly local: LocalChunks;
  readonly tell: (progress: InstallProgress) => void;
}

/** What has to be done. Made by reading alone, from what is there now: whatever an attempt before this one left counts. */
export interface InstallPlan {
  /** Chunks of the root that are not at their place. */
  readonly root: readonly Chunk[];
  /** Chunks of the program; none when the whole of it is there. */
  readonly uki: readonly Chunk[];
  /** Of `root` and `uki`, the bytes that this device has nowhere. */
  readonly fetchBytes: number;
  readonly isInstalled: boolean;
}

/** Compares the other slot and the boot partition with the release. Changes nothing. */
export async function planInstall({ disk, boot, source, slots, local }: Installation): Promise<InstallPlan> {
  const { version, root: rootPart, uki: ukiPart } = source.manifest;
  const root: Chunk[] = [];
  for (const chunk of rootPart.chunks)
    if (!isChunk(chunk, await disk.read(slots.other.root.offset + chunk.offset, chunk.bytes))) root.push(chunk);
  const entries = bootEntries(await boot.list()).filter((entry) => entry.version === version);
  const hasProgram = entries.length === 1 && (await isProgram(boot, entries[0]!.file, ukiPart.chunks));
  const isInstalled = root.length === 0 && hasProgram && entries[0]!.triesLeft !== 0 && isNamed(slots.other, version);
  const uki = isInstalled ? [] : ukiPart.chunks;
  const away = [...root, ...uki].filter((chunk) => !local.has(chunk));
  return { root, uki, fetchBytes: away.reduce((sum, { bytes }) => sum + bytes, 0), isInstalled };
}

/**
 * Writes the release into the other slot and its program beside the one that runs. The order makes that the boot loader
 * never finds a program whose root is not whole: the other release's program goes first and the new one comes last, each
 * step durable before the next. Cut off anywhere it can be called again. Throws UPDATE_SOURCE, UPDATE_FAILED.
 */
export async function install(installation: Installation, plan: InstallPlan): Promise<void> {
  if (plan.isInstalled) return;
  const { disk, boot, source, slots, running, local } = installation;
  const { version, root, uki } = source.manifest;
  const missing = (chunks: readonly Chunk[]): Chunk[] => chunks.filter((chunk) => !local.has(chunk));
  const rootFetcher = new ChunkFetcher(source, "root", missing(plan.root));
  const ukiFetcher = new ChunkFetcher(source, "uki", missing(plan.uki));
  await rootFetcher.begin();
  if (missing(plan.root).length === 0) await ukiFetcher.begin();
  const tell = (step: InstallProgress["step"], doneBytes: number, totalBytes: number): void =>
    installation.tell({
      step,
      doneBytes,
      totalBytes,
      fetchedBytes: rootFetcher.fetchedBytes + ukiFetcher.fetchedBytes,
    });

  await removeOthers(boot, running);
  let table = await writeNames(disk, slots.table, namesFor(slots.other, undefined));
  let unsynced = 0;
  for (const chunk of plan.root) {
    const bytes = local.has(chunk) ? await takeLocal(local, chunk, source, "root") : await rootFetcher.take(chunk);
    await disk.write(slots.other.root.offset + chunk.offset, bytes);
    tell("root", chunk.offset + chunk.bytes, root.bytes);
    if ((unsynced += bytes.length) < SYNC_EVERY_BYTES) continue;
    await disk.sync();
    unsynced = 0;
  }
  await disk.sync();
  await writeHashes(disk, slots.other, source, (bytes) => tell("hashes", bytes, root.bytes));
  const rootHash = Buffer.from(root.rootHash).toString("hex");
  table = await writeNames(disk, table, namesFor(slots.other, { version, rootHash }));

  async function* program(): AsyncGenerator<Uint8Array> {
    for (const chunk of plan.uki) {
      yield local.has(chunk) ? await takeLocal(local, chunk, source, "uki") : await ukiFetcher.take(chunk);
      tell("program", chunk.offset + chunk.bytes, uki.bytes);
    }
  }
  const part = partialFile(version);
  await boot.write(part, program());
  await boot.sync();
  if (!(await isProgram(boot, part, uki.chunks)))
    throw new PaddockError(
      "UPDATE_FAILED",
      `The program of release ${version} does not read back from the boot partition.`,
    );
  await boot.rename(part, newEntryFile(version));
  await boot.sync();
  tell("done", uki.bytes, uki.bytes);
}

/** Takes every program away but the one that runs, and what an attempt before left. */
async function removeOthers(boot: BootFiles, running: string): Promise<void> {
  for (const { name } of otherPrograms(await boot.list(), running)) await boot.remove(name);
  await boot.sync();
}

/** A chunk that is on this device; fetched all the same when it no longer reads as it did. */
async function takeLocal(local: LocalChunks, chunk: Chunk, source: ReleaseSource, part: PartName): Promise<Uint8Array> {
  const bytes = await local.take(chunk);
  if (bytes !== undefined) return bytes;
  return new ChunkFetcher(source, part, [chunk]).take(chunk);
}

/** Computes the tree over what is in the slot now, compares it with the release, and writes it. */
async function writeHashes(
  disk: BlockDisk,
  slot: { readonly root: Place; readonly verity: Place },
  { manifest: { version, root } }: ReleaseSource,
  tell: (bytes: number) => void,
): Promise<void> {
  const builder = new VerityBuilder(root.bytes / VERITY_BLOCK_BYTES, root);
  for (let at = 0; at < root.bytes; at += READ_BYTES) {
    const length = Math.min(READ_BYTES, root.bytes - at);
    builder.add(await disk.read(slot.root.offset + at, length));
    tell(at + length);
  }
  const { rootHash, bytes } = builder.finish();
  if (!rootHash.equals(root.rootHash))
    throw new PaddockError("UPDATE_FAILED", `Release ${version} does not read back from the disk as it was written.`);
  await disk.write(slot.verity.offset, bytes);
  await disk.sync();
}

/** Whether a file of the boot partition is the program of these chunks. */
async function isProgram(boot: BootFiles, file: string, chunks: readonly Chunk[]): Promise<boolean> {
  const last = chunks.at(-1)!;
  const found = (await boot.list()).find(({ name }) => name === file);
  if (found?.bytes !== last.offset + last.bytes) return false;
  for (const chunk of chunks) if (!isChunk(chunk, await boot.read(file, chunk.offset, chunk.bytes))) return false;
  return true;
}
