import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readWriteLog, replay } from "./write-log.ts";

const SECTOR = 512;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-write-log-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A sector of a log: numbers of 64 bits from its begin on. */
function sector(...numbers: bigint[]): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  for (const [index, number] of numbers.entries()) bytes.writeBigUInt64LE(number, index * 8);
  return bytes;
}
const write = (to: number, letter: string, flags = 0n): Buffer[] => [
  sector(BigInt(to), 1n, flags, 0n),
  Buffer.alloc(SECTOR, letter),
];
const FLUSH = sector(0n, 0n, 1n, 0n);

/** The disk of four sectors after a cut, a letter each; "." is what was there at the start. */
async function afterCut(entries: Buffer[], keep: (index: number) => boolean): Promise<string> {
  const [log, disk] = [join(directory, "log"), join(directory, "disk")];
  const header = sector(0x6a_7366_7773_6872n, 1n, 0n, BigInt(SECTOR));
  writeFileSync(log, Buffer.concat([header, ...entries]));
  writeFileSync(disk, Buffer.alloc(4 * SECTOR, "."));
  await replay(await readWriteLog(log), log, disk, keep);
  const bytes = readFileSync(disk);
  return [0, 1, 2, 3]
    .map((index) => (bytes[index * SECTOR] === 0 ? "0" : String.fromCharCode(bytes[index * SECTOR]!)))
    .join("");
}

test("what a flush made safe stays, of what came later only what the disk happened to do", async () => {
  const entries = [...write(0, "a"), ...write(1, "b"), FLUSH, ...write(2, "c"), ...write(1, "d")];
  expect(await afterCut(entries, () => false)).toBe("ab..");
  expect(await afterCut(entries, () => true)).toBe("adc.");
  expect(await afterCut(entries, (index) => index === 1)).toBe("ad..");
});

test("a forced write is safe alone, and a flush says nothing of the write that comes with it", async () => {
  expect(await afterCut([...write(0, "a"), ...write(1, "b", 2n)], () => false)).toBe(".b..");
  expect(await afterCut([...write(0, "a"), ...write(1, "b", 1n)], () => false)).toBe("a...");
});

test("what came later stays where both are safe, whichever became it first", async () => {
  expect(await afterCut([...write(0, "a"), ...write(0, "b", 2n), FLUSH], () => false)).toBe("b...");
});

test("a discard leaves zeros; an entry that the kill cut off is none", async () => {
  expect(await afterCut([sector(3n, 1n, 4n, 0n), FLUSH], () => false)).toBe("...0");
  expect(await afterCut([...write(0, "a"), FLUSH, sector(1n, 1n, 0n, 0n), Buffer.alloc(10)], () => true)).toBe("a...");
  expect(await afterCut([...write(0, "a"), FLUSH, Buffer.alloc(SECTOR)], () => true)).toBe("a...");
});
