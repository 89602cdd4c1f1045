import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { until } from "@paddock/base/testing/until.ts";
import { ChainStore } from "./chain-store.ts";
import { placeOnDisk } from "./testing/places.ts";
import { Sealer } from "./testing/sealer.ts";

describe("disk space", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "paddock-space-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("a window that is consumed steadily does not grow on disk", async () => {
    // 48 MB that do not compress go through a window of 2 MB; without compaction nearly half of it stays on disk.
    const store = await ChainStore.open({
      directory,
      maxBytes: 64 << 20,
      minFreeBytes: 0,
      ballastBytes: 0,
      arrivalLog: false,
      clock: new VirtualClock(),
      compactAfterBytes: 4 << 20,
    });
    const sealer = new Sealer();
    const window = 64;
    let peak = 0;
    let compacted = { bytes: 0, times: 0 };
    for (let round = 0; round < 24; round++) {
      await store.append({
        chain: sealer.chain,
        batches: Array.from({ length: window }, () => sealer.seal(randomBytes(32_000))),
      });
      await store.acknowledge(sealer.chain, [[0, sealer.seq - window]], Buffer.from("receipt"));
      await store.trim();
      const { trimmedBytes } = store.usage();
      // It goes on beside the writes, so that a slow machine would come to fewer.
      if (trimmedBytes - compacted.bytes >= 5_000_000) {
        compacted = { bytes: trimmedBytes, times: compacted.times + 1 };
        await until(() => store.usage().compactions === compacted.times, "what was deleted is compacted");
      }
      peak = Math.max(peak, sizeOnDisk(directory));
    }
    const { trimmedBytes } = store.usage();
    await store.close();
    expect(trimmedBytes).toBeGreaterThan(45_000_000);
    expect(compacted.times).toBe(7);
    expect(peak).toBeLessThan(15_000_000);
  });

  test("only one store at a time has a directory, and it can be opened after that one is closed", async () => {
    const place = placeOnDisk();
    const first = await place.open();
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await first.close();
    await (await place.open()).close();
    place.remove();
  });

  test("a directory that is no store is refused as damaged", async () => {
    const place = placeOnDisk();
    await (await place.open()).close();
    for (const name of readdirSync(join(place.directory, "generation-000001"))) {
      if (name.startsWith("MANIFEST")) rmSync(join(place.directory, "generation-000001", name));
    }
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    place.remove();
  });

  test("the ballast is taken at the start, given up at the floor and taken back later", async () => {
    let free = 10_000_000;
    const clock = new VirtualClock();
    const ballastBytes = 100_000;
    const store = await ChainStore.open({
      directory,
      maxBytes: 64 << 20,
      minFreeBytes: 1_000_000,
      ballastBytes,
      arrivalLog: false,
      clock,
      freeBytes: () => free,
    });
    const ballast = join(directory, "ballast");
    expect(statSync(ballast).size).toBe(ballastBytes);
    const sealer = new Sealer();
    const batches = sealer.sealMany(3);
    const append = (index: number) => store.append({ chain: sealer.chain, batches: [batches[index]!] });
    expect(await append(0)).toMatchObject({ ok: true });

    free = 900_000;
    clock.advance(2000);
    expect(await append(1)).toMatchObject({ ok: false, reason: "full" });
    expect(store.usage().ballastHeld).toBe(false);
    expect(statSync(ballast, { throwIfNoEntry: false })).toBeUndefined();

    // What the ballast gave up is not for new frames.
    free += ballastBytes + 1000;
    clock.advance(2000);
    expect(await append(1)).toMatchObject({ ok: false, reason: "full" });

    free = 5_000_000;
    clock.advance(2000);
    expect(await append(1)).toMatchObject({ ok: true });
    await store.close();
    expect(statSync(ballast).size).toBe(ballastBytes);
  });
});

function sizeOnDisk(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    // LevelDB removes files while we look.
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
