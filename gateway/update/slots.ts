import { PaddockError } from "@paddock/base/errors.ts";
import {
  BACKUP_BYTES,
  readBackupTable,
  readTable,
  renamed,
  SECTOR_BYTES,
  TABLE_BYTES,
  tableFor,
  type NewName,
  type Partition,
  type PartitionTable,
} from "@paddock/wire/gpt.ts";
import type { BlockDisk } from "./ports.ts";

/** Where a part of a release is on the disk. */
export interface Place {
  /** In the partition table. */
  readonly index: number;
  readonly label: string;
  /** Bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Slot {
  readonly root: Place;
  readonly verity: Place;
}

export interface Slots {
  readonly table: PartitionTable;
  /** Of the release that runs. Never written to. */
  readonly active: Slot;
  /** Of the other one, or empty. */
  readonly other: Slot;
}

const EMPTY = "_empty";

/** Reads the partition table, from its copy when the first one is damaged. Throws UPDATE_UNSUPPORTED. */
export async function readSlots(disk: BlockDisk, running: string): Promise<Slots> {
  const start = await disk.read(0, TABLE_BYTES);
  let table = readTable(start);
  if (!table.ok) table = readBackupTable(start, await disk.read(disk.bytes - BACKUP_BYTES, BACKUP_BYTES));
  if (!table.ok) throw new PaddockError("UPDATE_UNSUPPORTED", `The disk that this system runs from: ${table.detail}`);
  return slotsOf(table.value, running);
}

/** The slots of a table: four partitions with names of ours, root and hashes, twice. Throws UPDATE_UNSUPPORTED. */
export function slotsOf(table: PartitionTable, running: string): Slots {
  const ours = table.partitions.filter(({ label }) => label === EMPTY || label.startsWith("paddock_")).map(placeOf);
  const [rootA, verityA, rootB, verityB] = ours;
  if (ours.length === 4 && rootA && verityA && rootB && verityB) {
    const slots = [
      { root: rootA, verity: verityA },
      { root: rootB, verity: verityB },
    ] as const;
    const runs = slots.map((slot) => labelsOf(running).every((label, at) => partsOf(slot)[at]!.label === label));
    if (runs[0] !== runs[1]) {
      const [first, second] = slots;
      return runs[0] ? { table, active: first, other: second } : { table, active: second, other: first };
    }
  }
  const found = table.partitions.map(({ label }) => label).join(", ");
  throw new PaddockError(
    "UPDATE_UNSUPPORTED",
    `The disk has not two slots, one of them with the release ${running} that runs: its partitions are ${found}.`,
  );
}

function placeOf({ index, label, firstSector, lastSector }: Partition): Place {
  return { index, label, offset: firstSector * SECTOR_BYTES, bytes: (lastSector + 1 - firstSector) * SECTOR_BYTES };
}

function partsOf({ root, verity }: Slot): [Place, Place] {
  return [root, verity];
}

function labelsOf(version: string): [string, string] {
  return [`paddock_${version}`, `paddock_${version}_verity`];
}

/** Whether the slot has the name of this release. It gets that once its content is whole. */
export function isNamed(slot: Slot, version: string): boolean {
  const [root, verity] = labelsOf(version);
  return slot.root.label === root && slot.verity.label === verity;
}

/** Names for a slot: the release that it holds, with the halves of its root hash (hex) as ids, or none. */
export function namesFor(slot: Slot, release: { version: string; rootHash: string } | undefined): NewName[] {
  if (release === undefined) return partsOf(slot).map(({ index }) => ({ index, label: EMPTY }));
  const { version, rootHash } = release;
  return partsOf(slot).map(({ index }, at) => ({
    index,
    label: labelsOf(version)[at]!,
    uuid: rootHash.slice(at * 32, at * 32 + 32),
  }));
}

/**
 * Writes names into both copies of the table, one after the other: one of them holds at every moment. The first sector, which
 * is not the table's, stays as it is.
 */
export async function writeNames(
  disk: BlockDisk,
  table: PartitionTable,
  names: readonly NewName[],
): Promise<PartitionTable> {
  const wanted = renamed(table, names);
  const { start, end } = tableFor(wanted, disk.bytes);
  await disk.write(disk.bytes - end.length, end);
  await disk.sync();
  await disk.write(SECTOR_BYTES, start.subarray(SECTOR_BYTES));
  await disk.sync();
  return { ...wanted, bytes: start };
}
