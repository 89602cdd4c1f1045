import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import type { ChainStore } from "./chain-store.ts";
import { BATCH_OVERHEAD_BYTES } from "./space-guard.ts";
import type { Place } from "./testing/places.ts";
import { Sealer, testIdentity, testPayload } from "./testing/sealer.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";

const RECEIPT = Buffer.from("a receipt");
const ALL = { maxBytes: 1 << 30 };

/** What every buffer promises, whatever it lies on. */
export function describeBuffer(name: string, makePlace: () => Place): void {
  describe(name, () => {
    let place: Place;
    let store: ChainStore;
    beforeEach(() => {
      place = makePlace();
    });
    afterEach(async () => {
      await store.close();
      place.remove();
    });

    const reopen = async () => {
      await store.close();
      store = await place.open();
    };

    describe("a buffer (strict order)", () => {
      let sealer: Sealer;
      beforeEach(async () => {
        store = await place.open();
        sealer = new Sealer();
      });
      const append = (...batches: EncodedBatch[]) => store.append({ chain: sealer.chain, batches });

      test("is empty before the first write", async () => {
        expect(store.chains()).toEqual([]);
        expect(store.chain(sealer.chain)).toBeUndefined();
        expect(store.latestEpoch(sealer.identity.id, 1)).toBeUndefined();
        expect(await store.read(sealer.chain, 0, ALL)).toEqual([]);
        expect(await store.lastReceipt(sealer.chain)).toBeUndefined();
      });

      test("gives back the same bytes, before and after it was opened again", async () => {
        const batches = sealer.sealMany(5, 300);
        expect(expectAccepted(await append(...batches))).toEqual({
          stored: [[0, 4]],
          repeated: [],
          logOffset: undefined,
        });
        const expected = batches.map(({ seq, header, payload }) => ({ seq, header, payload }));
        expect((await store.read(sealer.chain, 0, ALL)).map(plain)).toEqual(expected);
        const summary = store.chain(sealer.chain)!;
        await reopen();
        expect((await store.read(sealer.chain, 0, ALL)).map(plain)).toEqual(expected);
        expect(store.chain(sealer.chain)).toEqual(summary);
        expect(store.recovery).toEqual([]);
        expect(summary).toMatchObject({ held: [[0, 4]], linked: 5, records: 5, unacknowledgedRecords: 5 });
        expect(summary.head).toEqual({ seq: 4, hash: sealer.previous });
        expect(summary.linkedHead).toEqual(sealer.previous);
        expect(summary.bytes).toBe(sizeOf(batches));
        expect(store.usage().bytes).toBe(sizeOf(batches) + 5 * BATCH_OVERHEAD_BYTES);
      });

      test("does not show a batch before it is on disk", async () => {
        const pending = append(sealer.seal());
        expect(store.chain(sealer.chain)).toBeUndefined();
        await pending;
        expect(store.chain(sealer.chain)?.head?.seq).toBe(0);
      });

      test("commits concurrent appends in few writes, each with its own outcome, in order", async () => {
        const batches = sealer.sealMany(50);
        const forged = new Sealer({ seq: 20, previous: Buffer.alloc(32, 9) }).seal();
        const outcomes = await Promise.all([...batches.map((batch) => append(batch)), append(forged)]);
        expect(outcomes.slice(0, 50).every((outcome) => outcome.ok)).toBe(true);
        expect(outcomes[50]).toMatchObject({ ok: false, reason: "fork" });
        expect(store.usage().syncs).toBeLessThan(10);
        expect(store.chain(sealer.chain)?.held).toEqual([[0, 49]]);
      });

      test("takes the same header again as repeated, in the same group too", async () => {
        const [first, second] = sealer.sealMany(2);
        const [one, two] = await Promise.all([append(first!, second!), append(first!, second!)]);
        expect(expectAccepted(one).stored).toEqual([[0, 1]]);
        expect(expectAccepted(two)).toEqual({ stored: [], repeated: [[0, 1]], logOffset: undefined });
        await reopen();
        expect(expectAccepted(await append(second!)).repeated).toEqual([[1, 1]]);
        expect(store.chain(sealer.chain)?.records).toBe(2);
      });

      test("refuses a fork with both headers as evidence and stores nothing of the write", async () => {
        const batches = sealer.sealMany(2);
        await append(...batches);
        const other = new Sealer({ seq: 1, previous: batches[0]!.hash });
        const forked = other.seal(testPayload(99));
        const outcome = await store.append({
          chain: sealer.chain,
          batches: [forked, other.seal()],
          side: [{ key: "k", value: Buffer.from("v") }],
        });
        expect(outcome).toMatchObject({ ok: false, reason: "fork", evidence: { seq: 1, offered: forked.header } });
        if (outcome.ok || outcome.evidence === undefined) throw new Error("no evidence");
        expect(Buffer.from(outcome.evidence.stored)).toEqual(batches[1]!.header);
        expect(store.chain(sealer.chain)?.held).toEqual([[0, 1]]);
        expect(await store.side("k")).toEqual(new Map());
      });

      test("refuses a gap, a wrong link and a batch of another chain", async () => {
        const [first, , third] = sealer.sealMany(3);
        await append(first!);
        expect(await append(third!)).toMatchObject({ ok: false, reason: "link" });
        const unlinked = new Sealer({ seq: 1, previous: Buffer.alloc(32) }).seal();
        expect(await append(unlinked)).toMatchObject({ ok: false, reason: "link", evidence: { seq: 0 } });
        const foreign = [
          new Sealer({ identity: testIdentity(2), seq: 1, previous: first!.hash }),
          new Sealer({ lane: 2, seq: 1, previous: first!.hash }),
          new Sealer({ epoch: 3, seq: 1, previous: first!.hash }),
        ];
        for (const other of foreign) expect(await append(other.seal())).toMatchObject({ ok: false, reason: "batch" });
        expect(await append({ header: Buffer.alloc(9), payload: null })).toMatchObject({ reason: "batch" });
        const cut = sealer.seal();
        expect(await append({ ...cut, payload: cut.payload.subarray(1) })).toMatchObject({ reason: "batch" });
        expect(store.chain(sealer.chain)?.held).toEqual([[0, 0]]);
      });

      test("links a new epoch to the head of the one before", async () => {
        await append(...sealer.sealMany(3));
        const wrong = new Sealer({ epoch: 1, previous: Buffer.alloc(32, 1) });
        expect(await store.append({ chain: wrong.chain, batches: [wrong.seal()] })).toMatchObject({ reason: "link" });
        const right = new Sealer({ epoch: 1, previous: sealer.previous });
        expect(await store.append({ chain: right.chain, batches: [right.seal()] })).toMatchObject({ ok: true });
        expect(store.latestEpoch(sealer.identity.id, 1)).toBe(1);
      });

      test("keeps side entries with the write and gives them back by prefix", async () => {
        const side = [
          { key: "window/a", value: Buffer.from([1]) },
          { key: "window/b", value: Buffer.from([2]) },
          { key: "wine", value: Buffer.from([3]) },
        ];
        await store.append({ chain: sealer.chain, batches: [sealer.seal()], side });
        await store.append({ chain: sealer.chain, batches: [], side: [{ key: "window/b", value: null }] });
        await reopen();
        const found = await store.side("window/");
        expect([...found].map(([key, value]) => [key, [...value]])).toEqual([["window/a", [1]]]);
        await expect(
          store.append({ chain: sealer.chain, batches: [], side: [{ key: "", value: null }] }),
        ).rejects.toThrow(RangeError);
      });

      test("reads within its limits and at least one batch", async () => {
        const batches = sealer.sealMany(10, 1000);
        await append(...batches);
        const size = sizeOf([batches[3]!]);
        const seqs = async (first: number, limits: Parameters<ChainStore["read"]>[2]) =>
          (await store.read(sealer.chain, first, limits)).map(({ seq }) => seq);
        expect(await seqs(2, { maxBytes: size * 3 + 40 })).toEqual([2, 3, 4]);
        expect(await seqs(2, { maxBytes: 1 })).toEqual([2]);
        expect(await seqs(7, { ...ALL, last: 8 })).toEqual([7, 8]);
        expect(await seqs(0, { ...ALL, maxBatches: 4 })).toEqual([0, 1, 2, 3]);
        expect(await seqs(10, ALL)).toEqual([]);
        expect((await store.readHeaders(sealer.chain, 3, 5)).map(({ seq }) => seq)).toEqual([3, 4, 5]);
        expect((await store.readOne(sealer.chain, 9))?.seq).toBe(9);
        expect(await store.readOne(sealer.chain, 10)).toBeUndefined();
      });

      test("counts what receipts name once, and trims it but for the head", async () => {
        const batches = sealer.sealMany(6, 100);
        await append(...batches);
        await store.acknowledge(sealer.chain, [[0, 2]], RECEIPT);
        await store.acknowledge(sealer.chain, [[0, 3]], RECEIPT);
        let summary = store.chain(sealer.chain)!;
        expect(summary).toMatchObject({ acknowledged: [[0, 3]], unacknowledgedRecords: 2, records: 6 });
        expect(summary.unacknowledgedBytes).toBe(sizeOf(batches.slice(4)));
        expect(await store.trim()).toEqual({
          batches: 4,
          bytes: sizeOf(batches.slice(0, 4)) + 4 * BATCH_OVERHEAD_BYTES,
        });
        await store.acknowledge(sealer.chain, [[0, 100]], Buffer.from("the last"));
        await store.trim();
        await reopen();
        summary = store.chain(sealer.chain)!;
        expect(summary).toMatchObject({ held: [[5, 5]], trimmed: [[0, 4]], acknowledged: [[0, 5]], linked: 6 });
        expect(summary.unacknowledgedBytes).toBe(0);
        expect(summary.bytes).toBe(sizeOf([batches[5]!]));
        expect(await store.read(sealer.chain, 0, ALL)).toEqual([]);
        expect(Buffer.from((await store.lastReceipt(sealer.chain))!).toString()).toBe("the last");
        expect(expectAccepted(await append(sealer.seal())).stored).toEqual([[6, 6]]);
      });

      test("takes a receipt for a long backlog in steps, other writes between", async () => {
        const batches = sealer.sealMany(2600);
        await append(...batches);
        await store.close();
        store = await place.open();
        const done = store.acknowledge(sealer.chain, [[0, 2500]], RECEIPT);
        await append(sealer.seal());
        expect(store.chain(sealer.chain)!.acknowledged[0]![1]).toBeLessThan(2500);
        await done;
        const summary = store.chain(sealer.chain)!;
        expect(summary).toMatchObject({ acknowledged: [[0, 2500]], unacknowledgedRecords: 100 });
        expect(summary.unacknowledgedBytes).toBe(summary.bytes - sizeOf(batches.slice(0, 2501)));
        expect(await store.lastReceipt(sealer.chain)).toBeDefined();
        expect((await store.trim()).batches).toBe(2501);
        expect(store.chain(sealer.chain)!.unacknowledgedBytes).toBe(store.chain(sealer.chain)!.bytes);
      });

      test("keeps as much of the acknowledged as it is told to", async () => {
        const batches = sealer.sealMany(10, 1000);
        await append(...batches);
        await store.acknowledge(sealer.chain, [[0, 9]], RECEIPT);
        await store.trim({ keepBytes: 5 * (sizeOf([batches[0]!]) + BATCH_OVERHEAD_BYTES) });
        const [[first]] = store.chain(sealer.chain)!.held as [[number, number]];
        expect(first).toBeGreaterThanOrEqual(4);
        expect(first).toBeLessThanOrEqual(6);
      });

      test("knows a fork at a trimmed seq as far as the next header tells", async () => {
        const batches = sealer.sealMany(4);
        await append(...batches);
        await store.acknowledge(sealer.chain, [[0, 1]], RECEIPT);
        await store.trim();
        expect(expectAccepted(await append(batches[1]!)).repeated).toEqual([[1, 1]]);
        const other = new Sealer({ seq: 1, previous: batches[0]!.hash }).seal(testPayload(77));
        expect(await append(other)).toMatchObject({ ok: false, reason: "fork" });
        expect(await append(batches[0]!)).toMatchObject({ ok: false, reason: "link" });
      });

      test("refuses when full, makes room by trimming what is acknowledged, then by eviction", async () => {
        await store.close();
        store = await place.open({ maxBytes: 20_000 });
        const size = sizeOf([sealer.seal(testPayload(0, 2000))]) + BATCH_OVERHEAD_BYTES;
        sealer = new Sealer();
        const room = Math.floor((20_000 - 20_000 / 16) / size);
        for (const batch of sealer.sealMany(room, 2000)) expect(await append(batch)).toMatchObject({ ok: true });
        const next = sealer.seal(testPayload(room, 2000));
        expect(await append(next)).toMatchObject({ ok: false, reason: "full" });
        await store.acknowledge(sealer.chain, [[0, 0]], RECEIPT);
        expect(await append(next)).toMatchObject({ ok: true });
        expect(store.chain(sealer.chain)?.trimmed).toEqual([[0, 0]]);

        const over = sealer.seal(testPayload(room + 1, 2000));
        expect(await append(over)).toMatchObject({ ok: false, reason: "full" });
        const plan = await store.evictPlan([sealer.chain], 3000);
        expect(plan.evict).toMatchObject([{ seqs: [[1, 2]], records: 2, bytes: plan.bytes }]);
        const outcome = await store.append({ chain: sealer.chain, batches: [over], evict: plan.evict });
        expect(outcome).toMatchObject({ ok: true });
        const summary = store.chain(sealer.chain)!;
        expect(summary.evicted).toEqual([[1, 2]]);
        expect(summary.records).toBe(room - 1);
        expect((await store.read(sealer.chain, 1, ALL)).map(({ payload }) => payload === null)).toEqual([
          true,
          true,
          ...Array.from({ length: room - 1 }, () => false),
        ]);
        expect(store.usage()).toMatchObject({ evictedBatches: 2, refusedFull: 2 });
        const { breaks, evicted, batches } = await store.verify(sealer.chain);
        expect({ breaks, evicted, batches }).toEqual({ breaks: [], evicted: 2, batches: room + 1 });
      });

      test("refuses below the free-space floor, but still takes evictions, receipts and trims", async () => {
        await append(...sealer.sealMany(5, 500));
        await store.close();
        let free = 1_000_000;
        const clock = new VirtualClock();
        store = await place.open({ minFreeBytes: 500_000, freeBytes: () => free, clock });
        expect(await append(sealer.seal())).toMatchObject({ ok: true });
        free = 400_000;
        clock.advance(2000);
        const next = sealer.seal();
        expect(await append(next)).toMatchObject({ ok: false, reason: "full" });
        const plan = await store.evictPlan([sealer.chain], 600);
        expect(await store.append({ chain: sealer.chain, batches: [next], evict: plan.evict })).toMatchObject({
          ok: true,
        });
        await store.acknowledge(sealer.chain, [[0, 3]], RECEIPT);
        expect((await store.trim()).batches).toBe(4);
      });

      test("finds nothing wrong with a good chain and needs the right key", async () => {
        await append(...sealer.sealMany(4, 50));
        const good = await store.verify(sealer.chain, { publicKey: sealer.identity.publicKey });
        expect(good).toMatchObject({ batches: 4, records: 4, evicted: 0, broken: 0, breaks: [] });
        const bad = await store.verify(sealer.chain, { publicKey: testIdentity(3).publicKey, from: 1, to: 2 });
        expect(bad.breaks.map(({ seq, fault }) => `${seq} ${fault}`)).toEqual(["1 signature", "2 signature"]);
      });

      test("counts side entries in the quota, before and after it was opened again", async () => {
        const side = (key: string, bytes: number) =>
          store.append({
            chain: sealer.chain,
            batches: [],
            side: [{ key, value: bytes === 0 ? null : Buffer.alloc(bytes) }],
          });
        for (let index = 0; index < 5; index++) await side(`own/${index}`, 8000);
        await side("own/0", 1000);
        await side("own/1", 0);
        const held = 3 * 8000 + 1000 + 4 * (1 + "own/0".length);
        expect(store.usage().bytes).toBe(held);
        await reopen();
        expect(store.usage().bytes).toBe(held);
        await store.close();
        store = await place.open({ maxBytes: held + 1000 });
        expect(await append(sealer.seal(testPayload(1, 5000)))).toMatchObject({
          reason: "full",
          shortage: { cause: "quota", heldBytes: held, maxBytes: held + 1000 },
        });
      });

      test("takes no write once closed", async () => {
        await store.close();
        await expect(append(sealer.seal())).rejects.toThrow("closed");
        store = await place.open();
      });
    });
  });
}

function sizeOf(batches: readonly EncodedBatch[]): number {
  return batches.reduce((sum, { header, payload }) => sum + header.length + (payload?.length ?? 0), 0);
}

function plain({ seq, header, payload }: { seq: number; header: Uint8Array; payload: Uint8Array | null }): unknown {
  return { seq, header: Buffer.from(header), payload: payload === null ? null : Buffer.from(payload) };
}
