import { expect, test } from "vitest";
import { BACKUP_BYTES, readBackupTable, readTable, renamed, SECTOR_BYTES, TABLE_BYTES, tableFor } from "./gpt.ts";
import { emptyTable, entryOf } from "./testing/gpt-image.ts";

const DISK_BYTES = 8 * 1024 * 1024;
const WRITTEN = tableFor({ partitions: [], bytes: emptyTable(DISK_BYTES) }, DISK_BYTES, [
  entryOf("esp", 2048, 4095),
  entryOf("_empty", 4096, 8191),
]);

test("the copy at the end says what the table says", () => {
  const first = readTable(WRITTEN.start);
  const copy = readBackupTable(WRITTEN.start.subarray(0, SECTOR_BYTES), WRITTEN.end);
  expect(copy).toEqual(first);
  expect(WRITTEN.end).toHaveLength(BACKUP_BYTES);
});

test("a damaged copy is refused", () => {
  for (const at of [5, BACKUP_BYTES - SECTOR_BYTES + 40]) {
    const end = Buffer.from(WRITTEN.end);
    end[at]! ^= 1;
    expect(readBackupTable(WRITTEN.start, end).ok).toBe(false);
  }
  expect(readBackupTable(WRITTEN.start, Buffer.alloc(10)).ok).toBe(false);
});

test("a partition gets another name and id, and everything else stays", () => {
  const table = readTable(WRITTEN.start);
  if (!table.ok) throw new Error(table.detail);
  const uuid = "00112233445566778899aabbccddeeff";
  const wanted = renamed(table.value, [{ index: 1, label: "paddock_1.2.3", uuid }]);
  const read = readTable(tableFor(wanted, DISK_BYTES).start);
  if (!read.ok) throw new Error(read.detail);
  expect(read.value.partitions.map(({ label }) => label)).toEqual(["esp", "paddock_1.2.3"]);
  expect(Buffer.from(read.value.partitions[1]!.entry.subarray(16, 32)).toString("hex")).toBe(
    "33221100554477668899aabbccddeeff",
  );
  expect(read.value.bytes.subarray(0, SECTOR_BYTES)).toEqual(table.value.bytes.subarray(0, SECTOR_BYTES));
  expect(read.value.partitions[0]!.entry).toEqual(table.value.partitions[0]!.entry);
  expect(() => renamed(table.value, [{ index: 1, label: "x".repeat(37) }])).toThrow(RangeError);
  expect(TABLE_BYTES).toBe(34 * SECTOR_BYTES);
});
