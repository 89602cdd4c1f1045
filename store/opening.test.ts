import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { ChainStore, ChainStoreOptions } from "./chain-store.ts";
import type { Damage } from "./damage.ts";
import { placeOnDisk } from "./testing/places.ts";
import { Sealer } from "./testing/sealer.ts";

describe("opening a directory", () => {
  let place: ReturnType<typeof placeOnDisk>;
  let generation: string;
  let sealer: Sealer;
  let told: Damage[];
  beforeEach(() => {
    place = placeOnDisk();
    generation = join(place.directory, "generation-000001");
    sealer = new Sealer();
    told = [];
  });
  afterEach(() => place.remove());

  const open = (options: Partial<ChainStoreOptions> = {}) =>
    place.open({ onDamage: (found) => told.push(found), ...options });
  const append = (store: ChainStore, count: number, bytes = 20_000) =>
    store.append({ chain: sealer.chain, batches: sealer.sealMany(count, bytes) });
  /** Names of the files and hashes of the generation, but for what LevelDB writes for itself. */
  const content = () =>
    Object.fromEntries(
      readdirSync(generation)
        .filter((name) => !name.startsWith("LO"))
        .map((name) => [
          name,
          createHash("sha256")
            .update(readFileSync(join(generation, name)))
            .digest("hex"),
        ]),
    );
  const named = (pattern: RegExp) => readdirSync(generation).filter((name) => pattern.test(name));
  /**
   * Some tables and a log with something in it, and a MANIFEST from before the last table: made once, copied for each test.
   * An open makes a table of the log that it finds.
   */
  const filled = placeOnDisk();
  let olderManifest: string;
  beforeAll(async () => {
    const from = new Sealer();
    const write = async (count: number): Promise<void> => {
      const store = await filled.open();
      await store.append({ chain: from.chain, batches: from.sealMany(count, 20_000) });
      await store.close();
    };
    const files = () => readdirSync(join(filled.directory, "generation-000001"));
    await write(20);
    await write(20);
    const manifest = files().find((name) => name.startsWith("MANIFEST"))!;
    olderManifest = readFileSync(join(filled.directory, "generation-000001", manifest)).toString("latin1");
    await write(20);
    await write(3);
    expect(files().filter((name) => name.endsWith(".ldb")).length).toBeGreaterThan(1);
  });
  afterAll(() => filled.remove());

  test.each([
    ["no CURRENT", () => rmSync(join(generation, "CURRENT"))],
    ["an empty CURRENT", () => truncateSync(join(generation, "CURRENT"), 0)],
    ["a CURRENT that names another file", () => writeFileSync(join(generation, "CURRENT"), "MANIFEST-999999\n")],
    [
      "an older MANIFEST",
      (older: string) => writeFileSync(join(generation, named(/^MANIFEST/)[0]!), Buffer.from(older, "latin1")),
    ],
    [
      "half a MANIFEST",
      () => {
        const path = join(generation, named(/^MANIFEST/)[0]!);
        truncateSync(path, statSync(path).size >> 1);
      },
    ],
    ["an empty MANIFEST", () => truncateSync(join(generation, named(/^MANIFEST/)[0]!), 0)],
    ["no MANIFEST", () => rmSync(join(generation, named(/^MANIFEST/)[0]!))],
    ["a table less", () => rmSync(join(generation, named(/\.ldb$/)[0]!))],
  ])("with %s is refused, with every byte still there", async (_, damage) => {
    cpSync(filled.directory, place.directory, { recursive: true });
    const good = join(place.directory, "good");
    cpSync(generation, good, { recursive: true });
    damage(olderManifest);
    const before = content();
    for (let start = 0; start < 2; start++) {
      await expect(open()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
      expect(content()).toEqual(before);
    }
    expect(readdirSync(place.directory).toSorted()).toEqual(["generation-000001", "good", "witness"]);
    // Whoever has a good MANIFEST brings all of it back.
    rmSync(generation, { recursive: true });
    renameSync(good, generation);
    const store = await open();
    expect(await store.verify(sealer.chain)).toMatchObject({ batches: 63, broken: 0 });
    await store.close();
  });

  test("goes over tables that a crash in a compaction left, and takes them away", async () => {
    let store = await open();
    await append(store, 50);
    await store.close();
    const kept = join(place.directory, "kept");
    mkdirSync(kept);
    store = await open();
    for (const name of named(/\.ldb$/)) linkSync(join(generation, name), join(kept, name));
    await append(store, 20);
    await store.acknowledge(sealer.chain, [[0, 60]], Buffer.from("receipt"));
    await store.trim();
    await store.compactNow();
    await store.close();
    const old = readdirSync(kept).filter((name) => !existsSync(join(generation, name)));
    expect(old.length).toBeGreaterThan(0);
    for (const name of old) linkSync(join(kept, name), join(generation, name));
    store = await open();
    expect(store.chain(sealer.chain)).toMatchObject({ held: [[61, 69]], trimmed: [[0, 60]] });
    expect(await store.verify(sealer.chain)).toMatchObject({ broken: 0 });
    await store.close();
    expect(old.filter((name) => existsSync(join(generation, name)))).toEqual([]);
    expect(told).toEqual([]);
  });

  test("a power cut anywhere in the first start leaves a store that opens", async () => {
    await (await open()).close();
    const other = placeOnDisk();
    onTestFinished(() => other.remove());
    const whole = join(other.directory, "whole");
    cpSync(generation, whole, { recursive: true });
    const temporary = `${generation}.new`;
    const files = readdirSync(whole);
    const states: (() => void)[] = [
      () => rmSync(place.directory, { recursive: true }),
      () => {},
      () => mkdirSync(temporary),
      () => cpSync(whole, temporary, { recursive: true }),
      // The rename is there and what follows it is not.
      () => cpSync(whole, generation, { recursive: true }),
      () => mkdirSync(generation),
      () => {
        mkdirSync(generation);
        writeFileSync(join(generation, "LOCK"), "");
        writeFileSync(join(generation, "LOG"), "");
      },
    ];
    for (const name of files) {
      // Of every file nothing, or its name alone.
      states.push(() => cpSync(whole, temporary, { recursive: true, filter: (from) => !from.endsWith(name) }));
      states.push(() => {
        cpSync(whole, temporary, { recursive: true });
        truncateSync(join(temporary, name), 0);
      });
      states.push(() => {
        mkdirSync(temporary);
        copyFileSync(join(whole, name), join(temporary, name));
      });
    }
    for (const make of states) {
      rmSync(generation, { recursive: true, force: true });
      rmSync(temporary, { recursive: true, force: true });
      rmSync(join(place.directory, "witness"), { force: true });
      make();
      const fresh = new Sealer();
      let store = await open();
      expect(await store.append({ chain: fresh.chain, batches: [fresh.seal()] })).toMatchObject({ ok: true });
      await store.close();
      store = await open();
      expect(store.chain(fresh.chain)?.held).toEqual([[0, 0]]);
      await store.close();
    }
  });

  test("is for the owner alone", async () => {
    rmSync(place.directory, { recursive: true });
    await (await open()).close();
    expect(statSync(place.directory).mode & 0o777).toBe(0o700);
    chmodSync(place.directory, 0o755);
    await (await open()).close();
    expect(statSync(place.directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(place.directory, "witness")).mode & 0o777).toBe(0o600);
  });

  test("a ballast that somebody removed is no error", async () => {
    let free = 10_000_000;
    const store = await open({ ballastBytes: 100_000, minFreeBytes: 1_000_000, freeBytes: () => free });
    rmSync(join(place.directory, "ballast"));
    free = 900_000;
    await store.compactNow();
    expect(await append(store, 1, 100)).toMatchObject({
      ok: false,
      reason: "full",
      shortage: { cause: "disk", freeBytes: 900_000, minFreeBytes: 1_000_000 },
    });
    expect(store.usage().ballastHeld).toBe(false);
    await store.close();
  });

  const log = () => join(generation, named(/\.log$/)[0]!);
  const fillLog = async (options: Partial<ChainStoreOptions> = {}) => {
    const store = await open(options);
    for (let count = 0; count < 40; count++) await append(store, 1, 2000);
    await store.close();
  };

  describe("whose end is gone", () => {
    test.each([
      ["cut in half", () => truncateSync(log(), statSync(log()).size >> 1)],
      ["zeroed", () => writeFileSync(log(), Buffer.alloc(statSync(log()).size))],
      ["removed", () => rmSync(log())],
    ])("a log that was %s is told, and the lane must begin a new epoch", async (_, damage) => {
      await fillLog();
      damage();
      let store = await open();
      const first = (store.chain(sealer.chain)?.head?.seq ?? -1) + 1;
      expect(first).toBeLessThan(40);
      expect(store.recovery).toMatchObject([{ action: "rolled-back", seqs: [[first, 39]] }]);
      expect(store.duties()).toMatchObject([{ kind: "epoch", seqs: [[first, 39]] }]);
      expect(store.latestEpoch(sealer.identity.id, 1)).toBe(0);
      expect(told.filter(({ what }) => what === "tail")).toMatchObject([{ seq: 39, chain: { lane: 1, epoch: 0 } }]);
      const again = new Sealer({ seq: first, previous: store.chain(sealer.chain)?.head?.hash ?? null });
      expect(await store.append({ chain: again.chain, batches: [again.seal()] })).toMatchObject({ reason: "link" });
      await store.close();
      store = await open();
      expect(store.recovery).toEqual([]);
      expect(store.duties()).toHaveLength(1);
      const next = new Sealer({ epoch: 1, previous: store.chain(sealer.chain)?.head?.hash ?? Buffer.alloc(32) });
      expect(await store.append({ chain: next.chain, batches: [next.seal()] })).toMatchObject({ ok: true });
      expect(store.duties()).toEqual([]);
      await store.close();
    });

    test("a ledger gives no offset out twice, and says which are gone", async () => {
      await fillLog({ arrivalLog: true });
      truncateSync(log(), statSync(log()).size >> 1);
      for (let start = 0; start < 2; start++) {
        const store = await open({ arrivalLog: true });
        expect(store.logEnd()).toBe(40);
        expect(store.duties()).toEqual([]);
        const items = await store.readLog(0, { maxBytes: 1 << 20, maxBatches: 100 });
        if (!items.ok) throw new Error(items.detail);
        expect(items.value.at(-1)).toMatchObject({ lost: "entry" });
        expect(items.value.reduce((sum, { count }) => sum + count, 0)).toBe(40);
        await store.close();
      }
      expect(told.filter(({ what }) => what === "tail")).not.toEqual([]);
    });

    test("a bit in the log that costs records is told, and the log is kept", async () => {
      await fillLog({ arrivalLog: true });
      const bytes = readFileSync(log());
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(log(), bytes);
      const store = await open({ arrivalLog: true });
      expect(told.some(({ what, detail }) => what === "database" && /dropping/.test(detail))).toBe(true);
      const items = await store.readLog(0, { maxBytes: 1 << 20, maxBatches: 100 });
      if (!items.ok) throw new Error(items.detail);
      expect(items.value.some(({ lost }) => lost !== undefined)).toBe(true);
      expect(items.value.reduce((sum, { count }) => sum + count, 0)).toBe(store.logEnd());
      await store.close();
      const kept = readdirSync(place.directory).find((name) => name.includes(".kept-"))!;
      const logs = readdirSync(join(place.directory, kept)).filter((name) => name.endsWith(".log"));
      expect(logs.map((name) => readFileSync(join(place.directory, kept, name)).equals(bytes))).toContain(true);
    });

    test("a generation that was taken away whole does not make the lane begin at 0 again", async () => {
      await fillLog();
      rmSync(generation, { recursive: true });
      const store = await open();
      expect(store.chains()).toEqual([]);
      expect(store.duties()).toMatchObject([{ kind: "epoch", seqs: [[0, 39]], last: null }]);
      expect(store.latestEpoch(sealer.identity.id, 1)).toBe(0);
      await store.close();
    });
  });
});
