import { dataBlocksOf, VERITY_BLOCK_BYTES } from "@paddock/wire/dm-verity.ts";
import type { BootFolder } from "./boot-folder.ts";
import { isOnTrial, otherPrograms, type BootEntry } from "./boot-entries.ts";
import { architecture, boardOf, openBoot, type DevicePaths } from "./device.ts";
import { DeviceDisk } from "./device-disk.ts";
import type { Installation } from "./install.ts";
import type { DeviceFacts } from "./judge-release.ts";
import { LocalChunks } from "./local-chunks.ts";
import type { BlockDisk, BootFiles, InstallProgress, ReleaseSource } from "./ports.ts";
import { readSlots, type Slot, type Slots } from "./slots.ts";
import type { UpdateState } from "./state.ts";

/** What an update is written to, and what it has to fit. */
export interface OpenDevice {
  readonly running: string;
  /** To be closed. */
  readonly disk: DeviceDisk;
  readonly boot: BootFolder;
  readonly entries: readonly BootEntry[];
  readonly slots: Slots;
  readonly facts: DeviceFacts;
}

export interface Opening {
  readonly paths: DevicePaths;
  readonly state: UpdateState;
  readonly write: boolean;
  readonly nowMs: number;
}

/** Opens the disk that `running` was started from. Throws UPDATE_UNSUPPORTED. */
export async function openDevice(
  running: { readonly version: string; readonly disk: string },
  { paths, state, write, nowMs }: Opening,
): Promise<OpenDevice> {
  const { version } = running;
  const board = await boardOf(paths);
  const { boot, entries } = await openBoot(paths, version);
  const disk = await DeviceDisk.open(running.disk, { write });
  try {
    const slots = await readSlots(disk, version);
    const facts = {
      running: version,
      onTrial: isOnTrial(entries, version),
      arch: architecture(),
      board,
      rootBytes: slots.other.root.bytes,
      verityBytes: slots.other.verity.bytes,
      bootBytes: await roomFor(boot, version),
      hold: state.hold,
      nowMs,
    };
    return { running: version, disk, boot, entries, slots, facts };
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/** Bytes that a new program may have: what is free, and what the other programs give back. */
async function roomFor(boot: BootFiles, running: string): Promise<number> {
  const gone = otherPrograms(await boot.list(), running);
  return (await boot.room()) + gone.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Looks through what this device has of a release. Changes nothing. */
export async function prepare(
  { running, disk, boot, entries, slots }: OpenDevice,
  source: ReleaseSource,
  tell: (progress: InstallProgress) => void,
): Promise<Installation> {
  const entry = entries.find(({ version }) => version === running)!;
  const { bytes: programBytes } = (await boot.list()).find(({ name }) => name === entry.file)!;
  const { offset } = slots.active.root;
  const local = await LocalChunks.index([
    { read: (at, length) => disk.read(offset + at, length), bytes: await rootBytes(disk, slots.active) },
    { read: (at, length) => boot.read(entry.file, at, length), bytes: programBytes },
  ]);
  return { disk, boot, source, slots, running, local, tell };
}

/** Bytes of the file system in a slot; those of the whole slot where its hashes do not say. */
async function rootBytes(disk: BlockDisk, { root, verity }: Slot): Promise<number> {
  const blocks = dataBlocksOf(await disk.read(verity.offset, VERITY_BLOCK_BYTES));
  return Math.min(root.bytes, (blocks ?? Infinity) * VERITY_BLOCK_BYTES);
}
