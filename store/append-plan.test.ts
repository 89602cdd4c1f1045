import { describe, expect, test } from "vitest";
import type { Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { encodeSource, FORMAT_GATEWAY, recordSize, writeRecord } from "@paddock/wire/record.ts";
import { planAppend, type AppendPlan, type PlanningPorts, type Refusal } from "./append-plan.ts";
import { readFacts, type BatchFacts } from "./batch-facts.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { emptyChain, type ChainState } from "./chain-state.ts";
import { chainBytes } from "./keyspace.ts";
import { BATCH_OVERHEAD_BYTES } from "./space-guard.ts";
import { Sealer, testIdentity, testPayload, type SealedBatch } from "./testing/sealer.ts";
import type { ChainId, OfferedBatch, StoreWrite } from "./types.ts";

/** What one write changes, to the byte, or why it changes nothing: without a database. */

const bare = (batch: SealedBatch): OfferedBatch => ({ ...batch, payload: null });
const lengthOf = (...batches: SealedBatch[]) =>
  batches.reduce((sum, { header, payload }) => sum + header.length + payload.length, 0);

/** Chains in memory that take the plans that are made over them. */
class Chains {
  readonly entries = new Map<string, ChainEntry>();
  readonly headers = new Map<string, Uint8Array>();
  readonly payloads = new Map<string, Uint8Array>();
  ended: number | undefined;
  readonly ports: PlanningPorts;

  constructor(outOfOrder: boolean) {
    this.ports = {
      outOfOrder,
      entry: (id) => this.entry(id),
      mustEnd: ({ epoch }) => epoch === this.ended,
      facts: async (entry, seq) => this.#facts(entry, seq),
      factsOfRanges: (entry, ranges) => this.#factsOf(entry, ranges),
      header: async (entry, seq) => this.headers.get(`${entry.name} ${seq}`)!,
      whole: async (entry, seq) => {
        const header = this.headers.get(`${entry.name} ${seq}`)!;
        const payload = this.payloads.get(`${entry.name} ${seq}`);
        const decoded = decodeHeader(header);
        return payload === undefined || !decoded.ok ? undefined : { header, decoded: decoded.value, payload };
      },
    };
  }

  entry(id: ChainId): ChainEntry {
    const name = `${id.lane}/${id.epoch}`;
    let entry = this.entries.get(name);
    if (entry === undefined) {
      const working = emptyChain(id, chainBytes(id));
      entry = { name, working, published: undefined, facts: new Map(), deletedBytes: 0, deletedTo: 0 };
      this.entries.set(name, entry);
    }
    return entry;
  }

  async plan(chain: ChainId, batches: readonly OfferedBatch[], more: Partial<StoreWrite> = {}) {
    return planAppend({ chain, batches, ...more }, this.ports);
  }

  /** Plans a write that must be fine, and takes it. */
  async take(chain: ChainId, batches: readonly OfferedBatch[], more: Partial<StoreWrite> = {}): Promise<AppendPlan> {
    const plan = await this.plan(chain, batches, more);
    if (!plan.ok) throw new Error(plan.detail);
    for (const [entry, draft] of plan.drafts) entry.working = draft;
    for (const { seq, batch } of plan.added) {
      this.headers.set(`${plan.entry.name} ${seq}`, batch.header);
      if (batch.payload !== null) this.payloads.set(`${plan.entry.name} ${seq}`, batch.payload);
    }
    return plan;
  }

  patch(id: ChainId, patch: Partial<ChainState>): void {
    const entry = this.entry(id);
    entry.working = { ...entry.working, ...patch };
  }

  #facts(entry: ChainEntry, seq: number) {
    const read = readFacts(this.headers.get(`${entry.name} ${seq}`)!);
    if (!read.ok) throw new Error(read.detail);
    return read.value;
  }

  async *#factsOf(entry: ChainEntry, ranges: Ranges) {
    for (const [first, last] of ranges)
      for (let seq = first; seq <= last; seq++) yield [seq, this.#facts(entry, seq)] as [number, BatchFacts];
  }
}

function draftOf(plan: AppendPlan | Refusal): ChainState {
  if (!plan.ok) throw new Error(plan.detail);
  return plan.drafts.get(plan.entry)!;
}

/** The first payload of an epoch. */
function epochPayload(previousEpoch: number, lastSeq: number | null): Buffer {
  const frame = encodeGatewayRecord({ kind: "epoch-change", reason: "fork", previousEpoch, lastSeq });
  const source = encodeSource("paddock");
  const payload = Buffer.alloc(recordSize(0, source, FORMAT_GATEWAY, frame.length));
  writeRecord(payload, 0, 0, source, FORMAT_GATEWAY, frame);
  return payload;
}

describe("in order", () => {
  test("a write grows its chain by what it brings", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const [first, second] = sealer.sealMany(2, 40) as [SealedBatch, SealedBatch];
    const plan = await chains.plan(sealer.chain, [first, bare(second)]);
    const bytes = lengthOf(first) + second.header.length;
    expect(plan).toMatchObject({
      ok: true,
      stored: [[0, 1]],
      repeated: [],
      evicted: [],
      written: bytes + 2 * BATCH_OVERHEAD_BYTES,
      growth: bytes + 2 * BATCH_OVERHEAD_BYTES,
    });
    expect(draftOf(plan)).toMatchObject({
      held: [[0, 1]],
      evicted: [[1, 1]],
      head: { seq: 1, hash: second.hash },
      linked: 2,
      linkedHead: second.hash,
      bytes,
      records: 1,
      unacknowledgedBytes: bytes,
      unacknowledgedRecords: 1,
    });
    expect((plan as AppendPlan).added.map(({ seq, newHeader }) => [seq, newHeader])).toEqual([
      [0, true],
      [1, true],
    ]);
    expect(chains.entry(sealer.chain).working.held).toEqual([]);
  });

  test("what does not follow, or is of another chain, is refused", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const all = sealer.sealMany(4);
    await chains.take(sealer.chain, all.slice(0, 2));
    const refusalOf = async (chain: ChainId, ...batches: OfferedBatch[]) => {
      const plan = await chains.plan(chain, batches);
      return plan.ok ? "fine" : plan.reason;
    };
    expect(await refusalOf(sealer.chain, all[3]!)).toBe("link");
    expect(await refusalOf(sealer.chain, all[2]!, all[3]!)).toBe("fine");
    for (const change of [{ lane: 2 as const }, { epoch: 1 }, { gateway: testIdentity(2).id }])
      expect(await refusalOf({ ...sealer.chain, ...change }, all[0]!)).toBe("batch");
    expect(await refusalOf(sealer.chain, { ...all[2]!, payload: Buffer.alloc(3) })).toBe("batch");
    expect(await refusalOf(sealer.chain, { header: Buffer.of(1), payload: null })).toBe("batch");
    const stranger = new Sealer({ seq: 2, previous: Buffer.alloc(32, 1) }).seal();
    expect(await chains.plan(sealer.chain, [stranger])).toMatchObject({
      ok: false,
      reason: "link",
      evidence: { chain: sealer.chain, seq: 1, stored: all[1]!.header, offered: stranger.header },
    });
    chains.ended = 0;
    expect(await refusalOf(sealer.chain, all[2]!)).toBe("link");
    expect(await refusalOf(sealer.chain)).toBe("fine");
  });

  test("a batch again is repeated, another one in its place a fork", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const all = sealer.sealMany(3);
    await chains.take(sealer.chain, all);
    const again = await chains.plan(sealer.chain, [all[0]!, all[2]!, bare(all[1]!)]);
    expect(again).toMatchObject({ ok: true, stored: [], repeated: [[0, 2]], written: 0, growth: 0, added: [] });
    const other = new Sealer({ seq: 1, previous: all[0]!.hash }).seal(testPayload(77));
    expect(await chains.plan(sealer.chain, [other])).toMatchObject({
      reason: "fork",
      evidence: { chain: sealer.chain, seq: 1, stored: all[1]!.header, offered: other.header },
    });
    const twice = await new Chains(false).plan(sealer.chain, [all[0]!, all[0]!]);
    expect(twice).toMatchObject({ stored: [[0, 0]], repeated: [] });
  });

  test("a payload that comes after its header fills it in", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const all = sealer.sealMany(2, 50);
    await chains.take(sealer.chain, all.map(bare));
    chains.patch(sealer.chain, { acknowledged: [[1, 1]] });
    const before = chains.entry(sealer.chain).working;
    const plan = await chains.plan(sealer.chain, all);
    const [first, second] = all.map(({ payload }) => payload.length) as [number, number];
    expect(plan).toMatchObject({ stored: [[0, 1]], repeated: [], written: first + second, growth: first + second });
    expect(draftOf(plan)).toMatchObject({
      evicted: [],
      bytes: before.bytes + first + second,
      records: 2,
      unacknowledgedBytes: before.unacknowledgedBytes + first,
      unacknowledgedRecords: 1,
    });
    expect((plan as AppendPlan).added.map(({ newHeader }) => newHeader)).toEqual([false, false]);
  });

  test("what was trimmed is compared with what the next header says of it", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const all = sealer.sealMany(4);
    await chains.take(sealer.chain, all);
    chains.patch(sealer.chain, { held: [[2, 3]], trimmed: [[0, 1]] });
    expect(await chains.plan(sealer.chain, [all[1]!])).toMatchObject({ ok: true, repeated: [[1, 1]], stored: [] });
    expect(await chains.plan(sealer.chain, [all[0]!])).toMatchObject({ ok: false, reason: "link" });
    const other = new Sealer({ seq: 1, previous: all[0]!.hash }).seal(testPayload(77));
    expect(await chains.plan(sealer.chain, [other])).toMatchObject({
      reason: "fork",
      evidence: { seq: 1, stored: all[2]!.header, offered: other.header },
    });
  });

  test("what is given up in the same write makes room, but not what that stores, nor what a receipt names", async () => {
    const chains = new Chains(false);
    const sealer = new Sealer();
    const all = sealer.sealMany(5, 60);
    await chains.take(sealer.chain, all.slice(0, 4));
    chains.patch(sealer.chain, { evicted: [[0, 0]] });
    const before = chains.entry(sealer.chain).working;
    const evict = [{ chain: sealer.chain, seqs: [[0, 9]] as const }];
    const plan = await chains.plan(sealer.chain, [all[4]!], { evict });
    const freed = all.slice(1, 4).reduce((sum, { payload }) => sum + payload.length, 0);
    const brought = lengthOf(all[4]!);
    expect(plan).toMatchObject({
      evicted: [{ entry: chains.entry(sealer.chain), seqs: [[1, 3]], bytes: freed }],
      written: brought + BATCH_OVERHEAD_BYTES,
      growth: brought + BATCH_OVERHEAD_BYTES - freed,
    });
    expect(draftOf(plan)).toMatchObject({
      evicted: [[0, 3]],
      bytes: before.bytes + brought - freed,
      records: before.records + 1 - 3,
      unacknowledgedBytes: before.unacknowledgedBytes + brought - freed,
      unacknowledgedRecords: before.unacknowledgedRecords + 1 - 3,
    });
    chains.patch(sealer.chain, { acknowledged: [[2, 2]] });
    expect(await chains.plan(sealer.chain, [all[4]!], { evict })).toMatchObject({ ok: false, reason: "acknowledged" });
    const spared = [{ chain: sealer.chain, seqs: [[1, 1]] as const }];
    expect(await chains.plan(sealer.chain, [], { evict: spared })).toMatchObject({ ok: true, written: 0 });
    const other = new Sealer({ lane: 2 });
    const elsewhere = await chains.plan(other.chain, [other.seal()], { evict: spared });
    expect((elsewhere as AppendPlan).drafts.get(chains.entry(sealer.chain))!.evicted).toEqual([[0, 1]]);
    expect(await chains.plan(sealer.chain, [], { evict: [{ chain: sealer.chain, seqs: [[0, 0]] }] })).toMatchObject({
      evicted: [],
    });
  });
});

describe("in any order", () => {
  test("gaps are filled from both sides, and what links to neither is refused with the one that it contradicts", async () => {
    const chains = new Chains(true);
    const sealer = new Sealer();
    const all = sealer.sealMany(6);
    const take = (seq: number) => chains.take(sealer.chain, [all[seq]!]);
    expect(draftOf(await take(4))).toMatchObject({ linked: 0, head: { seq: 4 } });
    expect(draftOf(await take(1))).toMatchObject({ linked: 0, head: { seq: 4, hash: all[4]!.hash } });
    expect(draftOf(await take(0))).toMatchObject({ linked: 2, linkedHead: all[1]!.hash });
    const wrong = new Sealer({ seq: 2, previous: Buffer.alloc(32, 1) }).seal();
    expect(await chains.plan(sealer.chain, [wrong])).toMatchObject({ reason: "link", evidence: { seq: 1 } });
    const late = new Sealer({ seq: 3, previous: all[2]!.hash }).seal(testPayload(99));
    expect(await chains.plan(sealer.chain, [late])).toMatchObject({
      reason: "link",
      evidence: { seq: 4, stored: all[4]!.header, offered: late.header },
    });
    expect(draftOf(await take(3))).toMatchObject({ linked: 2 });
    expect(draftOf(await take(2))).toMatchObject({ linked: 5, linkedHead: all[4]!.hash, held: [[0, 4]] });
    expect(draftOf(await take(5))).toMatchObject({ linked: 6, head: { seq: 5, hash: all[5]!.hash } });
  });
});

describe.each([false, true])("epochs, out of order: %s", (outOfOrder) => {
  async function two(named: number | null = 2, previousEpoch = 0) {
    const chains = new Chains(outOfOrder);
    const old = new Sealer();
    const all = old.sealMany(3);
    const next = new Sealer({ epoch: 1, previous: all[named ?? 2]?.hash ?? Buffer.alloc(32) });
    const first = next.seal(epochPayload(previousEpoch, named));
    return { chains, old, all, next, first };
  }

  test("the first batch of the next one names the head that it follows", async () => {
    const { chains, old, all, next, first } = await two();
    await chains.take(old.chain, all);
    expect(await chains.plan(next.chain, [first])).toMatchObject({ ok: true, stored: [[0, 0]] });
    const stranger = new Sealer({ epoch: 1, previous: all[1]!.hash }).seal(epochPayload(0, 2));
    expect(await chains.plan(next.chain, [stranger])).toMatchObject({
      reason: "link",
      evidence: { chain: old.chain, seq: 2, stored: all[2]!.header, offered: stranger.header },
    });
    const noHash = new Sealer({ epoch: 1 }).seal(epochPayload(0, 2));
    expect(await chains.plan(next.chain, [noHash])).toMatchObject({ ok: false });
    const earlier = new Sealer({ epoch: 1, previous: all[1]!.hash }).seal(epochPayload(0, 1));
    expect(await chains.plan(next.chain, [earlier])).toMatchObject({ ok: true });
  });

  test("it follows none of its own or a later one, and what is not held says nothing", async () => {
    for (const previousEpoch of [1, 2]) {
      const { chains, next, first } = await two(2, previousEpoch);
      expect(await chains.plan(next.chain, [first])).toMatchObject({ ok: false, reason: "link" });
    }
    const { chains, next, first } = await two();
    expect(await chains.plan(next.chain, [first])).toMatchObject({ ok: true });
    const unsaid = await two(null);
    await unsaid.chains.take(unsaid.old.chain, unsaid.all);
    expect(await unsaid.chains.plan(unsaid.next.chain, [unsaid.first])).toMatchObject({ ok: true });
  });

  test("without its payload it is held against the head only where batches come in order", async () => {
    const { chains, old, all, next } = await two();
    await chains.take(old.chain, all);
    const stranger = new Sealer({ epoch: 1, previous: all[1]!.hash }).seal(epochPayload(0, 2));
    const plan = await chains.plan(next.chain, [bare(stranger)]);
    expect(plan.ok).toBe(outOfOrder);
    if (!outOfOrder) return;
    // The payload says it later.
    await chains.take(next.chain, [bare(stranger)]);
    expect(await chains.plan(next.chain, [stranger])).toMatchObject({
      ok: false,
      reason: "link",
      evidence: { seq: 2 },
    });
  });

  test("a batch that the next one contradicts, which was here first, is refused where they come in any order", async () => {
    const { chains, old, all, next, first } = await two();
    await chains.take(next.chain, [first]);
    const other = new Sealer({ seq: 2, previous: all[1]!.hash }).seal(testPayload(99));
    const offered = [all[0]!, all[1]!, other];
    const plan = await chains.plan(old.chain, offered);
    expect(plan.ok).toBe(!outOfOrder);
    if (outOfOrder)
      expect(plan).toMatchObject({
        reason: "link",
        evidence: { chain: next.chain, seq: 0, stored: first.header, offered: other.header },
      });
    expect(await chains.plan(old.chain, all)).toMatchObject({ ok: true });
    // Given up or not whole it says nothing.
    chains.patch(next.chain, { evicted: [[0, 0]] });
    expect(await chains.plan(old.chain, offered)).toMatchObject({ ok: true });
    chains.patch(next.chain, { evicted: [] });
    chains.payloads.clear();
    expect(await chains.plan(old.chain, offered)).toMatchObject({ ok: true });
  });
});
