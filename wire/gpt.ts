import { crc32 } from "node:zlib";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";

/**
 * The GUID Partition Table of a disk (UEFI 2.10 §5.3) with sectors of 512 bytes: read, and written back with the backup
 * at the disk's real end. Pure: bytes in, bytes out.
 */

export const SECTOR_BYTES = 512;
/** The protective MBR, the header and its entries: what stands in front of the first partition. */
export const TABLE_SECTORS = 34;
export const TABLE_BYTES = TABLE_SECTORS * SECTOR_BYTES;
/** The copy of entries and header at the end of the disk. */
export const BACKUP_BYTES = (TABLE_SECTORS - 1) * SECTOR_BYTES;

const ENTRIES = 128;
const ENTRY_BYTES = 128;
const HEADER_BYTES = 92;
const SIGNATURE = "EFI PART";
const ALIGN_SECTORS = 2048;
const LABEL_UNITS = 36;

export interface Partition {
  /** Place in the table, from 0. */
  readonly index: number;
  /** At most 36 UTF-16 units. */
  readonly label: string;
  readonly firstSector: number;
  /** Inclusive. */
  readonly lastSector: number;
  /** The 128 bytes as they stand. */
  readonly entry: Uint8Array;
}

export interface PartitionTable {
  readonly partitions: readonly Partition[];
  /** The first 34 sectors as they were read. */
  readonly bytes: Uint8Array;
}

type GptProblem = "no-table" | "table-damaged";

/** Reads the first 34 sectors of a disk. Refuses what is no table, and one whose checksums do not hold. */
export function readTable(start: Uint8Array): Outcome<PartitionTable, GptProblem> {
  const bytes = Buffer.from(start.subarray(0, TABLE_BYTES));
  const header = bytes.subarray(SECTOR_BYTES, SECTOR_BYTES + HEADER_BYTES);
  if (bytes.length < TABLE_BYTES || header.toString("latin1", 0, 8) !== SIGNATURE) {
    return refuse("no-table", "There is no GUID partition table with sectors of 512 bytes.");
  }
  const entries = bytes.subarray(2 * SECTOR_BYTES);
  if (header.readUInt32LE(80) !== ENTRIES || header.readUInt32LE(84) !== ENTRY_BYTES) {
    return refuse("table-damaged", "The partition table has not 128 entries of 128 bytes.");
  }
  if (headerChecksum(header) !== header.readUInt32LE(16) || crc32(entries) !== header.readUInt32LE(88)) {
    return refuse("table-damaged", "The checksum of the partition table does not hold.");
  }
  const partitions = Array.from({ length: ENTRIES }, (_, index) => partitionAt(entries, index)).filter(
    (partition) => partition !== undefined,
  );
  return accept({ partitions, bytes });
}

/**
 * The table from its copy: the first sector of the disk and its last 33. The answer is as if it had been read from the
 * front. Refuses like `readTable`.
 */
export function readBackupTable(firstSector: Uint8Array, end: Uint8Array): Outcome<PartitionTable, GptProblem> {
  const entriesBytes = ENTRIES * ENTRY_BYTES;
  const header = Buffer.from(end.subarray(entriesBytes, entriesBytes + SECTOR_BYTES));
  if (header.length < SECTOR_BYTES) return refuse("no-table", "The disk ends before the copy of its partition table.");
  if (headerChecksum(header) !== header.readUInt32LE(16))
    return refuse("table-damaged", "The checksum of the partition table's copy does not hold.");
  header.copy(header, 32, 24, 32);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(headerChecksum(header), 16);
  return readTable(Buffer.concat([firstSector.subarray(0, SECTOR_BYTES), header, end.subarray(0, entriesBytes)]));
}

/** What a partition is called from now on. */
export interface NewName {
  /** Place in the table. */
  readonly index: number;
  /** At most 36 UTF-16 units. */
  readonly label: string;
  /** 16 bytes in hex, as a UUID is written, without its dashes; undefined: as before. */
  readonly uuid?: string;
}

/** The same table with other names. The checksums are those of `tableFor`, which writes it. */
export function renamed(table: PartitionTable, names: readonly NewName[]): PartitionTable {
  const bytes = Buffer.from(table.bytes);
  for (const { index, label, uuid } of names) {
    if (label.length > LABEL_UNITS) throw new RangeError(`a label of ${label.length} characters: ${label}`);
    const entry = bytes.subarray(2 * SECTOR_BYTES + index * ENTRY_BYTES).subarray(0, ENTRY_BYTES);
    entry.fill(0, 56).write(label, 56, "utf16le");
    if (uuid !== undefined) entry.set(guidBytes(uuid), 16);
  }
  const entries = bytes.subarray(2 * SECTOR_BYTES);
  const partitions = table.partitions.map(({ index }) => partitionAt(entries, index)!);
  return { partitions, bytes };
}

/** A GUID on a disk has its first three fields the other way round (UEFI 2.10, appendix A). */
function guidBytes(hex: string): Buffer {
  const bytes = Buffer.from(hex, "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function partitionAt(entries: Buffer, index: number): Partition | undefined {
  const entry = Buffer.from(entries.subarray(index * ENTRY_BYTES, (index + 1) * ENTRY_BYTES));
  if (entry.subarray(0, 16).every((byte) => byte === 0)) return undefined;
  return {
    index,
    label: entry.toString("utf16le", 56, 128).replace(/\0.*$/su, ""),
    firstSector: Number(entry.readBigUInt64LE(32)),
    lastSector: Number(entry.readBigUInt64LE(40)),
    entry,
  };
}

/** The first byte behind the last partition, on the next boundary of 1 MiB: where one that is added later begins. */
export function firstFreeByte(table: PartitionTable): number {
  const behind = Math.max(TABLE_SECTORS, ...table.partitions.map(({ lastSector }) => lastSector + 1));
  return Math.ceil(behind / ALIGN_SECTORS) * ALIGN_SECTORS * SECTOR_BYTES;
}

export interface TableOnDisk {
  /** For the first 34 sectors. */
  readonly start: Uint8Array;
  /** For the last 33 sectors of the disk. */
  readonly end: Uint8Array;
}

/**
 * The table for a disk of `diskBytes`, with the `added` entries in the first free places. The backup moves to the
 * disk's end, so that all of the disk can be used. Throws RangeError where the disk is too small for its partitions.
 */
export function tableFor(table: PartitionTable, diskBytes: number, added: readonly Uint8Array[] = []): TableOnDisk {
  const start = Buffer.from(table.bytes);
  const sectors = Math.floor(diskBytes / SECTOR_BYTES);
  const lastUsable = sectors - TABLE_SECTORS;
  const entries = start.subarray(2 * SECTOR_BYTES);
  const taken = new Set(table.partitions.map(({ index }) => index));
  for (const entry of added) {
    const index = Array.from({ length: ENTRIES }, (_, at) => at).find((at) => !taken.has(at))!;
    taken.add(index);
    entries.set(entry, index * ENTRY_BYTES);
  }
  const lastTaken = Math.max(...[...taken].map((index) => partitionAt(entries, index)?.lastSector ?? 0));
  if (lastTaken > lastUsable) throw new RangeError(`sector ${lastTaken} of a partition is behind ${lastUsable}`);
  const header = start.subarray(SECTOR_BYTES, SECTOR_BYTES + HEADER_BYTES);
  header.writeBigUInt64LE(BigInt(sectors - 1), 32);
  header.writeBigUInt64LE(BigInt(lastUsable), 48);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(headerChecksum(header), 16);
  const backup = Buffer.from(start.subarray(SECTOR_BYTES, 2 * SECTOR_BYTES));
  backup.writeBigUInt64LE(BigInt(sectors - 1), 24);
  backup.writeBigUInt64LE(1n, 32);
  backup.writeBigUInt64LE(BigInt(sectors - TABLE_SECTORS + 1), 72);
  backup.writeUInt32LE(headerChecksum(backup), 16);
  return { start, end: Buffer.concat([entries, backup]) };
}

/** CRC-32 over the header with its own field at zero (UEFI 2.10 §5.3.2). */
function headerChecksum(header: Buffer): number {
  const copy = Buffer.from(header.subarray(0, HEADER_BYTES));
  copy.writeUInt32LE(0, 16);
  return crc32(copy);
}
