import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase, type KeyValueDatabase } from "./database.ts";
import { prepareGeneration } from "./generation.ts";
import { placeOnDisk } from "./testing/places.ts";
import { Sealer } from "./testing/sealer.ts";

let place: ReturnType<typeof placeOnDisk>;
let generation: string;
beforeEach(() => {
  place = placeOnDisk();
  generation = join(place.directory, "generation-000001");
});
afterEach(() => place.remove());

/** A disk without a free byte: the name is there, the content is not. */
function fullDisk(code: string): (from: string, to: string) => Promise<void> {
  return async (from, to) => {
    writeFileSync(to, "");
    const message = `${code}: no room, copyfile '${from}' -> '${to}'`;
    throw Object.assign(new Error(message), { code, syscall: "copyfile" });
  };
}

/** Every file below the store's directory, by path, with its bytes. */
function content(): Record<string, string> {
  const files = readdirSync(place.directory, { recursive: true, withFileTypes: true }).filter((item) => item.isFile());
  const paths = files.map((item) => join(item.parentPath, item.name)).toSorted();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path).toString("base64")]));
}

test.each(["ENOSPC", "EDQUOT"])(
  "a start after a crash that meets %s says what to do, leaves every byte, and the next one with room goes on",
  async (code) => {
    const sealer = new Sealer();
    const store = await place.open();
    await store.append({ chain: sealer.chain, batches: sealer.sealMany(5, 1000) });
    await store.close();
    // Not as it was left, as after a crash.
    const log = readdirSync(generation).find((name) => name.endsWith(".log"))!;
    appendFileSync(join(generation, log), Buffer.alloc(8));
    const before = content();
    for (let start = 0; start < 3; start++) {
      await expect(prepareGeneration(generation, Buffer.alloc(32), fullDisk(code))).rejects.toMatchObject({
        name: "PaddockError",
        code: "DATA_DIR_UNUSABLE",
        message: expect.stringContaining(`${code}: no room`),
        remedy: "Make a few MiB of room on its file system, then start again.",
      });
      // Neither a byte less nor the half of a copy more.
      expect(content()).toEqual(before);
      expect(readdirSync(place.directory).filter((name) => name.includes(".trial-"))).toEqual([]);
    }
    const again = await place.open();
    expect(again.chain(sealer.chain)).toMatchObject({ held: [[0, 4]] });
    expect(await again.verify(sealer.chain)).toMatchObject({ batches: 5, broken: 0 });
    await again.close();
  },
);

test.each(["No space left on device", "Disk quota exceeded"])(
  "a LevelDB that cannot write what an opening writes (%s) is not a bad disk",
  async (said) => {
    const cause = Object.assign(new Error(`IO error: 000012.dbtmp: ${said}`), { code: "LEVEL_IO_ERROR" });
    const database = { open: () => Promise.reject(new Error("not open", { cause })) } as unknown as KeyValueDatabase;
    await expect(openDatabase(database, "/data/store")).rejects.toMatchObject({
      code: "DATA_DIR_UNUSABLE",
      message: expect.stringContaining(said),
      remedy: "Make a few MiB of room on its file system, then start again.",
    });
  },
);
