import { crc32 } from "node:zlib";
import { SECTOR_BYTES, TABLE_BYTES } from "../gpt.ts";

/** Pieces of a partition table for tests, made from the format's own words. */

/** Entry of a partition: 128 bytes (UEFI 2.10 §5.3.3). */
export function entryOf(label: string, firstSector: number, lastSector: number, kind = 0xaf): Buffer {
  const entry = Buffer.alloc(128);
  entry.fill(kind, 0, 16);
  entry.fill(firstSector % 251 || 1, 16, 32);
  entry.writeBigUInt64LE(BigInt(firstSector), 32);
  entry.writeBigUInt64LE(BigInt(lastSector), 40);
  entry.write(label, 56, "utf16le");
  return entry;
}

/** An empty table: header with 128 free entries. */
export function emptyTable(diskBytes: number): Buffer {
  const start = Buffer.alloc(TABLE_BYTES);
  start.writeUInt16LE(0xaa55, 510);
  const header = start.subarray(SECTOR_BYTES, SECTOR_BYTES + 92);
  header.write("EFI PART", 0, "latin1");
  header.writeUInt32LE(0x1_0000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(BigInt(diskBytes / SECTOR_BYTES - 1), 32);
  header.writeBigUInt64LE(34n, 40);
  header.writeBigUInt64LE(BigInt(diskBytes / SECTOR_BYTES - 34), 48);
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(start.subarray(2 * SECTOR_BYTES)), 88);
  header.writeUInt32LE(crc32(header), 16);
  return start;
}
