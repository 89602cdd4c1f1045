import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { ChainStore } from "./chain-store.ts";
import { faultyDatabase } from "./testing/faulty-database.ts";
import { memoryDatabase } from "./testing/memory-database.ts";
import { Sealer } from "./testing/sealer.ts";

const OPTIONS = { maxBytes: 1 << 20, minFreeBytes: 0, ballastBytes: 0, arrivalLog: false, clock: new VirtualClock() };

describe.each([{ applied: false }, { applied: true }])("a write that fails, applied: $applied", ({ applied }) => {
  test("rejects everything pending, refuses more, and leaves a good chain behind", async () => {
    const disk = memoryDatabase();
    // The first write is the format version.
    const store = await ChainStore.open({ ...OPTIONS, database: faultyDatabase(disk, { after: 2, applied }) });
    const sealer = new Sealer();
    const batches = sealer.sealMany(5);
    const append = (index: number) => store.append({ chain: sealer.chain, batches: [batches[index]!] });
    expect(await append(0)).toMatchObject({ ok: true });

    const pending = [append(1), append(2), store.acknowledge(sealer.chain, [[0, 0]], Buffer.from("r"))];
    const late = pending[0]!.catch(() => append(3));
    for (const request of [...pending, late])
      await expect(request).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    expect(store.chain(sealer.chain)?.held).toEqual([[0, 0]]);
    await expect(store.read(sealer.chain, 0, { maxBytes: 1 })).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    await expect(store.trim()).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    await store.close();

    const again = await ChainStore.open({ ...OPTIONS, database: disk });
    expect(again.recovery).toEqual([]);
    expect(again.chain(sealer.chain)?.held).toEqual(applied ? [[0, 2]] : [[0, 0]]);
    // What was sealed goes on where the disk says; the same bytes again are no fork.
    expect(await again.append({ chain: sealer.chain, batches })).toMatchObject({ ok: true });
    expect(await again.verify(sealer.chain)).toMatchObject({ batches: 5, broken: 0 });
    await again.close();
  });
});
