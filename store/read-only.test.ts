import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { levelDatabase } from "./database.ts";
import { chainBytes, KEY_SPACES, seqKey } from "./keyspace.ts";
import { placeOnDisk } from "./testing/places.ts";
import { Sealer, testPayload, type SealedBatch } from "./testing/sealer.ts";

describe("a store that is opened to be looked at", () => {
  let place: ReturnType<typeof placeOnDisk>;
  let sealer: Sealer;
  let batches: SealedBatch[];
  beforeEach(async () => {
    place = placeOnDisk();
    sealer = new Sealer();
    batches = sealer.sealMany(20, 3000);
    const store = await place.open({ ballastBytes: 1000 });
    for (const batch of batches) await store.append({ chain: sealer.chain, batches: [batch] });
    await store.close();
  });
  afterEach(() => place.remove());

  /** Every file of the store and what is in it. */
  const content = (): Map<string, string> => {
    const files = readdirSync(place.directory, { withFileTypes: true, recursive: true }).filter((file) =>
      file.isFile(),
    );
    const paths = files.map((file) => join(file.parentPath, file.name));
    return new Map(paths.map((path) => [path, readFileSync(path, "latin1")]));
  };

  test("gives what is there and leaves every byte as it was, nothing beside it", async () => {
    const before = content();
    const store = await place.open({ readOnly: true });
    expect(await store.verify(sealer.chain)).toMatchObject({ batches: 20, broken: 0 });
    expect((await store.read(sealer.chain, 0, { maxBytes: 1 << 20 })).length).toBe(20);
    await expect(store.append({ chain: sealer.chain, batches: [sealer.seal()] })).rejects.toThrow("read only");
    await expect(store.trim()).rejects.toThrow("read only");
    await store.close();
    expect(content()).toEqual(before);
    expect(readdirSync(dirname(place.directory))).toEqual([basename(place.directory)]);
  });

  test("reports the damage of a head, repairs nothing and makes no duty", async () => {
    const database = levelDatabase(join(place.directory, "generation-000001"));
    await database.open();
    const key = seqKey(KEY_SPACES.payload, chainBytes(sealer.chain), 19);
    await database.batch([{ type: "put", key, value: testPayload(1, 3000) }], { sync: true });
    await database.close();
    const before = content();
    const store = await place.open({ readOnly: true });
    const { breaks, broken } = await store.verify(sealer.chain);
    expect(broken).toBe(1);
    expect(breaks).toMatchObject([{ seq: 19, fault: "payload-hash" }]);
    expect(store.recovery).toEqual([]);
    expect(store.duties()).toEqual([]);
    await store.close();
    expect(content()).toEqual(before);
  });

  test("is refused while another has the store, which goes on and keeps its lock", async () => {
    const store = await place.open();
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await store.append({ chain: sealer.chain, batches: [sealer.seal()] });
    await expect(place.open()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await store.close();
    await (await place.open({ readOnly: true })).close();
  });

  test("a store that never was is empty and is not made", async () => {
    rmSync(place.directory, { recursive: true });
    const store = await place.open({ readOnly: true });
    expect(store.chains()).toEqual([]);
    await store.close();
    expect(readdirSync(dirname(place.directory))).toEqual([]);
  });

  test("a store without its CURRENT is damaged, not empty", async () => {
    rmSync(join(place.directory, "generation-000001", "CURRENT"));
    const before = content();
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    writeFileSync(join(place.directory, "generation-000001", "CURRENT"), "");
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    rmSync(join(place.directory, "generation-000001", "CURRENT"));
    expect(content()).toEqual(before);
  });
});
