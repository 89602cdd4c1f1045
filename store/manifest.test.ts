import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { levelDatabase } from "./database.ts";
import { tableNumber, tablesNamed, tablesOf } from "./manifest.ts";

test("names the tables that LevelDB has, after flushes and compactions", async () => {
  const directory = mkdtempSync(join(tmpdir(), "paddock-manifest-"));
  for (let start = 0; start < 6; start++) {
    const database = levelDatabase(directory);
    await database.open();
    for (let write = 0; write < 60; write++) {
      const key = Buffer.from(`${write * 7 + start}`);
      const value = Buffer.alloc(100_000, write).fill(`${start}${write}`, 0, 50_000);
      await database.batch([{ type: "put", key, value }], { sync: false });
    }
    if (start % 2 === 1) await database.compactRange?.(Buffer.from("0"), Buffer.from("9"));
    await database.close();
    const present = new Set(readdirSync(directory).map(tableNumber));
    // A close may stop a flush between its table and the MANIFEST, so there may be more tables than are named.
    const named = [...(await tablesNamed(directory))!];
    expect(named.filter((number) => !present.has(number))).toEqual([]);
    if (start % 2 === 1) expect(named.length).toBeGreaterThan(0);
  }
  const name = readdirSync(directory).find((file) => file.startsWith("MANIFEST"))!;
  const manifest = readFileSync(join(directory, name));
  // Whatever is cut or altered, it ends.
  fc.assert(
    fc.property(fc.nat(manifest.length), fc.nat(manifest.length - 1), fc.nat(255), (length, at, byte) => {
      const altered = Buffer.from(manifest);
      altered[at] = byte;
      expect(tablesOf(altered.subarray(0, length))).toBeInstanceOf(Set);
    }),
  );
  rmSync(directory, { recursive: true });
});
