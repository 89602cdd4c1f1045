import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { VirtualClock } from "@paddock/base/clock.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { ChainStore } from "./chain-store.ts";
import type { Place } from "./testing/places.ts";
import { logged } from "./testing/logged.ts";
import { Sealer, testIdentity, testPayload } from "./testing/sealer.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";

const ALL = { maxBytes: 1 << 30 };

/** What every ledger promises, whatever it lies on. */
export function describeLedger(name: string, makePlace: () => Place): void {
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

    describe("a ledger (any order, arrival log)", () => {
      let sealer: Sealer;
      let clock: VirtualClock;
      beforeEach(async () => {
        clock = new VirtualClock({ wallMs: 5000 });
        store = await place.open({ arrivalLog: true, clock });
        sealer = new Sealer();
      });
      const append = (...batches: EncodedBatch[]) => store.append({ chain: sealer.chain, batches });

      test("takes batches ahead of their predecessors and links them when the gap is filled", async () => {
        const batches = sealer.sealMany(10);
        await append(batches[0]!);
        await append(batches[8]!, batches[9]!);
        await append(batches[4]!);
        expect(store.chain(sealer.chain)).toMatchObject({
          held: [
            [0, 0],
            [4, 4],
            [8, 9],
          ],
          linked: 1,
          head: { seq: 9 },
        });
        await store.close();
        store = await place.open({ arrivalLog: true, clock });
        await append(batches[5]!, batches[6]!, batches[7]!);
        expect(store.chain(sealer.chain)?.linked).toBe(1);
        await append(batches[1]!, batches[2]!, batches[3]!);
        expect(store.chain(sealer.chain)).toMatchObject({ held: [[0, 9]], linked: 10 });
        expect(store.chain(sealer.chain)?.linkedHead).toEqual(sealer.previous);
        expect((await store.verify(sealer.chain)).broken).toBe(0);
      });

      test("refuses a filler that does not fit its later neighbour", async () => {
        const batches = sealer.sealMany(3);
        await append(batches[0]!, batches[2]!);
        const other = new Sealer({ seq: 1, previous: batches[0]!.hash }).seal(testPayload(50));
        expect(await append(other)).toMatchObject({ ok: false, reason: "link", evidence: { seq: 2 } });
      });

      test("numbers records in arrival order and finds them by offset and by time", async () => {
        const batches = [3, 1, 2].map((count) => sealer.seal(testPayload(sealer.seq), count));
        expect(expectAccepted(await append(batches[2]!)).logOffset).toBe(0);
        clock.advance(1000);
        let calls = 0;
        const stop = store.onLog(() => calls++);
        expect(expectAccepted(await append(batches[0]!, batches[1]!)).logOffset).toBe(2);
        expect(expectAccepted(await append(batches[0]!)).logOffset).toBeUndefined();
        stop();
        expect(calls).toBe(1);
        expect(store.logEnd()).toBe(6);
        const limits = { maxBytes: 1 << 20, maxBatches: 10 };
        const places = async (from: number, more = limits) =>
          (await logged(store, from, more)).map(({ offset, count, seq, received }) => [offset, count, seq, received]);
        const all = [
          [0, 2, 2, 5000],
          [2, 3, 0, 6000],
          [5, 1, 1, 6000],
        ];
        expect(await places(0)).toEqual(all);
        expect(await places(4)).toEqual(all.slice(1));
        expect(await places(6)).toEqual([]);
        expect(await store.readLog(7, limits)).toMatchObject({ ok: false, reason: "out-of-range" });
        expect(await places(0, { ...limits, maxBatches: 1 })).toEqual(all.slice(0, 1));
        expect(await places(0, { ...limits, maxBytes: 1 })).toEqual(all.slice(0, 1));
        expect(await store.logOffsetAt(0)).toBe(0);
        expect(await store.logOffsetAt(5001)).toBe(2);
        expect(await store.logOffsetAt(6001)).toBe(6);
        await store.close();
        store = await place.open({ arrivalLog: true, clock });
        expect(store.logEnd()).toBe(6);
        expect(await places(0)).toEqual(all);
      });

      test("takes the payload of a batch that came evicted, and logs it then", async () => {
        const [first, second] = sealer.sealMany(2, 40);
        await append({ header: first!.header, payload: null }, second!);
        expect(store.chain(sealer.chain)).toMatchObject({ evicted: [[0, 0]], records: 1, linked: 2 });
        expect(expectAccepted(await append(first!))).toEqual({ stored: [[0, 0]], repeated: [], logOffset: 2 });
        expect(expectAccepted(await append({ header: first!.header, payload: null })).repeated).toEqual([[0, 0]]);
        expect(store.chain(sealer.chain)).toMatchObject({ evicted: [], records: 2, bytes: sizeOf([first!, second!]) });
        const log = await logged(store, 0, { maxBytes: 1 << 20, maxBatches: 10 });
        expect(log.map(({ offset, seq, payload }) => [offset, seq, payload === null])).toEqual([
          [0, 0, true],
          [1, 1, false],
          [2, 0, false],
        ]);
      });

      test("its log has a name that stays", async () => {
        const incarnation = store.logIncarnation!;
        expect(incarnation).toHaveLength(16);
        await store.close();
        store = await place.open({ arrivalLog: true });
        expect(Buffer.from(store.logIncarnation!)).toEqual(Buffer.from(incarnation));
        const other = makePlace();
        const another = await other.open({ arrivalLog: true });
        expect(Buffer.from(another.logIncarnation!)).not.toEqual(Buffer.from(incarnation));
        await another.close();
        other.remove();
      });

      test("holds the chains of many gateways apart", async () => {
        const sealers = [1, 2, 3].map((number) => new Sealer({ identity: testIdentity(number) }));
        await Promise.all(sealers.map((one) => store.append({ chain: one.chain, batches: one.sealMany(3) })));
        expect(store.chains()).toHaveLength(3);
        for (const one of sealers) expect((await store.read(one.chain, 0, ALL)).length).toBe(3);
        expect(store.logEnd()).toBe(9);
      });

      test("checks a later epoch against the batch that its epoch-change record names", async () => {
        const batches = sealer.sealMany(3);
        await append(...batches);
        const chain = { ...sealer.chain, epoch: 1 };
        const wrong = opening(batches[2]!.hash, 1);
        expect(await store.append({ chain, batches: [wrong] })).toMatchObject({ ok: false, reason: "link" });
        const right = opening(batches[1]!.hash, 1);
        expect(await store.append({ chain, batches: [right] })).toMatchObject({ ok: true });
      });

      test("compares the first batch of a later epoch with a second one that came before it", async () => {
        const [only] = sealer.sealMany(1);
        await append(only!);
        const life = new Sealer({ epoch: 1, previous: only!.hash });
        const first = life.seal(epochChange(0, 0));
        const [second, third] = life.sealMany(2);
        await store.append({ chain: life.chain, batches: [second!, third!] });
        const other = new Sealer({ epoch: 1, previous: only!.hash }).seal(testPayload(99));
        expect(await store.append({ chain: life.chain, batches: [other] })).toMatchObject({
          ok: false,
          reason: "link",
          evidence: { seq: 1, offered: other.header },
        });
        expect(store.chain(life.chain)?.linked).toBe(0);
        expect(await store.append({ chain: life.chain, batches: [first] })).toMatchObject({ ok: true });
        expect(store.chain(life.chain)?.linked).toBe(3);
        expect(await store.verify(life.chain)).toMatchObject({ batches: 3, broken: 0 });
      });

      test("holds a batch against what a later epoch, here before it, says that it follows, and no other batch", async () => {
        const [first, second, third] = sealer.sealMany(3);
        const later = new Sealer({ epoch: 2, previous: second!.hash });
        await store.append({ chain: later.chain, batches: [later.seal(epochChange(0, 1))] });
        // Of the epoch between them it says nothing.
        const between = new Sealer({ epoch: 1, seq: 1, previous: Buffer.alloc(32, 5) });
        expect(await store.append({ chain: between.chain, batches: between.sealMany(1) })).toMatchObject({ ok: true });
        expect(await append(third!)).toMatchObject({ ok: true });
        const other = new Sealer({ seq: 1, previous: first!.hash }).seal(testPayload(50));
        await store.close();
        store = await place.open({ arrivalLog: true, clock });
        const outcome = await append(other);
        expect(outcome).toMatchObject({ ok: false, reason: "link", evidence: { seq: 2 } });
        const free = new Sealer({ identity: testIdentity(2), seq: 1, previous: first!.hash }).seal(testPayload(50));
        const ofOther = { ...sealer.chain, gateway: testIdentity(2).id };
        expect(await store.append({ chain: ofOther, batches: [free] })).toMatchObject({ ok: true });
        expect(await append(first!, second!)).toMatchObject({ ok: true });
        expect(store.chain(sealer.chain)).toMatchObject({ held: [[0, 2]], linked: 3 });
      });

      test.each<[string, (life: Sealer) => EncodedBatch, boolean]>([
        ["names it", (life) => life.seal(epochChange(0, 0)), false],
        ["names it, eight epochs later", (life) => life.seal(epochChange(0, 0)), false],
        ["names another seq", (life) => life.seal(epochChange(0, 1)), true],
        ["names no seq", (life) => life.seal(epochChange(0, null)), true],
        ["does not say what it follows", (life) => life.seal(testPayload(1)), true],
        ["came without its payload", (life) => ({ header: life.seal(epochChange(0, 0)).header, payload: null }), true],
      ])("the first batch of a later epoch %s: another batch 0 is taken or not", async (which, make, taken) => {
        const [first] = sealer.sealMany(1);
        const life = new Sealer({ epoch: which.includes("eight") ? 8 : 1, previous: first!.hash });
        expect(await store.append({ chain: life.chain, batches: [make(life)] })).toMatchObject({ ok: true });
        const other = new Sealer().seal(testPayload(50));
        const outcome = await append(other);
        expect(outcome).toMatchObject(
          taken ? { ok: true } : { ok: false, reason: "link", evidence: { chain: life.chain, seq: 0 } },
        );
        if (!taken) expect(await append(first!)).toMatchObject({ ok: true });
      });

      test("takes the payload of an epoch's first batch only where that says what its header follows", async () => {
        const batches = sealer.sealMany(3);
        await append(...batches);
        const chain = { ...sealer.chain, epoch: 1 };
        const wrong = opening(batches[2]!.hash, 1);
        expect(await store.append({ chain, batches: [{ header: wrong.header, payload: null }] })).toMatchObject({
          ok: true,
        });
        expect(await store.append({ chain, batches: [wrong] })).toMatchObject({
          ok: false,
          reason: "link",
          evidence: { chain: sealer.chain, seq: 1, stored: batches[1]!.header, offered: wrong.header },
        });
        expect(store.chain(chain)).toMatchObject({ evicted: [[0, 0]], records: 0 });
      });

      test.each([1, 2])("refuses an epoch 1 that says that it follows epoch %i", async (named) => {
        const life = new Sealer({ epoch: 1, previous: Buffer.alloc(32, 7) });
        const first = life.seal(epochChange(named, 0));
        const outcome = await store.append({ chain: life.chain, batches: [first] });
        expect(outcome).toMatchObject({ ok: false, reason: "link" });
      });
    });
  });
}

/** The first batch of epoch 1, saying that epoch 0 ended with `lastSeq`. */
function opening(previous: Uint8Array, lastSeq: number): EncodedBatch {
  return new Sealer({ epoch: 1, previous }).seal(epochChange(0, lastSeq));
}

function epochChange(previousEpoch: number, lastSeq: number | null): Buffer {
  const frame = encodeGatewayRecord({ kind: "epoch-change", reason: "test", previousEpoch, lastSeq });
  const source = encodeSource("paddock");
  const payload = Buffer.alloc(recordSize(0, source, FORMAT_GATEWAY, frame.length));
  writeRecord(payload, 0, 0, source, FORMAT_GATEWAY, frame);
  return payload;
}

function sizeOf(batches: readonly EncodedBatch[]): number {
  return batches.reduce((sum, { header, payload }) => sum + header.length + (payload?.length ?? 0), 0);
}
