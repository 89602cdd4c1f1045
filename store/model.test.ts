import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FUZZ_LIMIT_MS, scaled } from "@paddock/base/testing/fuzz.ts";
import { contains, countOf, type Ranges } from "@paddock/base/ranges.ts";
import { withSeq } from "./chain-state.ts";
import type { ChainStore } from "./chain-store.ts";
import { chargedBytes } from "./store-core.ts";
import { logged } from "./testing/logged.ts";
import { placeInMemory, placeOnDisk, type Place } from "./testing/places.ts";
import { Sealer, testIdentity, testPayload, type SealedBatch } from "./testing/sealer.ts";

/** What one chain should be, kept in the plainest way. */
interface Model {
  readonly batches: readonly SealedBatch[];
  readonly held: Set<number>;
  readonly evicted: Set<number>;
  readonly trimmed: Set<number>;
  readonly acknowledged: Set<number>;
  /**
   * What was trimmed before its predecessor came can no longer be proven to follow it, so this is kept, not computed.
   */
  linked: number;
}

const CHAIN_LENGTH = 24;
/** Sealed once: signing is what would make this slow. */
const SEALED = [1, 2].map((number) => {
  const sealer = new Sealer({ identity: testIdentity(number) });
  const batches = Array.from({ length: CHAIN_LENGTH }, (_, seq) =>
    sealer.seal(testPayload(seq, 10 + seq * 3), 1 + (seq % 3)),
  );
  const forked = batches.map(({ seq }) =>
    new Sealer({ identity: testIdentity(number), seq, previous: seq === 0 ? null : batches[seq - 1]!.hash }).seal(
      testPayload(1000 + seq),
    ),
  );
  return { chain: sealer.chain, batches, forked };
});

type Step =
  | {
      readonly kind: "append";
      readonly chain: number;
      readonly first: number;
      readonly count: number;
      readonly evicted: boolean;
    }
  | { readonly kind: "fork"; readonly chain: number; readonly seq: number }
  | { readonly kind: "acknowledge"; readonly chain: number; readonly first: number; readonly count: number }
  | { readonly kind: "evict"; readonly chain: number; readonly bytes: number }
  | { readonly kind: "trim" }
  | { readonly kind: "reopen" };

const chain = fc.nat(1);
const seq = fc.nat(CHAIN_LENGTH - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        chain,
        first: seq,
        count: fc.integer({ min: 1, max: 5 }),
        evicted: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork" as const), chain, seq }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("acknowledge" as const),
        chain,
        first: seq,
        count: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("evict" as const), chain, bytes: fc.integer({ min: 1, max: 200 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: "trim" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
  ),
  { maxLength: 40, size: "max" },
);

function newModel(index: number): Model {
  return {
    batches: SEALED[index]!.batches,
    held: new Set(),
    evicted: new Set(),
    trimmed: new Set(),
    acknowledged: new Set(),
    linked: 0,
  };
}

const OPTIONS = { arrivalLog: true, compactAfterBytes: 500 } as const;
/** None, some five batches, and all in memory besides: what is read must be the same. */
const HOT_BYTES = [0, 1500, 1 << 20] as const;

type RunOptions = typeof OPTIONS & { readonly hotBytes: number };

class Run {
  readonly #place: Place;
  readonly #models = [newModel(0), newModel(1)];
  readonly #log: [chain: number, seq: number, evicted: boolean][] = [];
  readonly #options: RunOptions;
  #store: ChainStore;

  private constructor(place: Place, options: RunOptions, store: ChainStore) {
    this.#place = place;
    this.#options = options;
    this.#store = store;
  }

  static async begin(place: Place, hotBytes: number): Promise<Run> {
    const options = { ...OPTIONS, hotBytes };
    return new Run(place, options, await place.open(options));
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case "append":
        return this.#append(step);
      case "fork":
        return this.#fork(step);
      case "acknowledge":
        return this.#acknowledge(step);
      case "evict":
        return this.#evict(step);
      case "trim":
        return this.#trim();
      case "reopen":
        await this.#store.close();
        this.#store = await this.#place.open(this.#options);
        expect(this.#store.recovery).toEqual([]);
    }
  }

  async #append({ chain: index, first, count, evicted }: Extract<Step, { kind: "append" }>): Promise<void> {
    const model = this.#models[index]!;
    const batches = model.batches
      .slice(first, first + count)
      .map((batch) => (evicted ? { header: batch.header, payload: null } : batch));
    const outcome = await this.#store.append({ chain: SEALED[index]!.chain, batches });
    const seqs = batches.map((_, offset) => first + offset);
    if (seqs.some((one, offset) => model.trimmed.has(one) && !this.#comparable(model, seqs.slice(0, offset), one))) {
      expect(outcome).toMatchObject({ ok: false, reason: "link" });
      return;
    }
    const stored = seqs.filter((one) => isNew(model, one, evicted));
    expect(outcome).toMatchObject({
      ok: true,
      value: { stored: rangesOf(stored), repeated: rangesOf(seqs.filter((one) => !stored.includes(one))) },
    });
    for (const one of stored) {
      model.held.add(one);
      if (evicted) model.evicted.add(one);
      else model.evicted.delete(one);
      this.#log.push([index, one, evicted]);
    }
    while (model.held.has(model.linked)) model.linked++;
  }

  /** A trimmed batch can be compared when the next header is held, or came earlier in the same write. */
  #comparable(model: Model, earlier: readonly number[], one: number): boolean {
    return model.held.has(one + 1) || earlier.includes(one + 1);
  }

  async #fork({ chain: index, seq: at }: Extract<Step, { kind: "fork" }>): Promise<void> {
    const model = this.#models[index]!;
    if (!model.held.has(at)) return;
    const before = this.#store.chain(SEALED[index]!.chain);
    const outcome = await this.#store.append({ chain: SEALED[index]!.chain, batches: [SEALED[index]!.forked[at]!] });
    expect(outcome).toMatchObject({ ok: false, reason: "fork", evidence: { seq: at } });
    expect(this.#store.chain(SEALED[index]!.chain)).toBe(before);
  }

  async #acknowledge({ chain: index, first, count }: Extract<Step, { kind: "acknowledge" }>): Promise<void> {
    const model = this.#models[index]!;
    await this.#store.acknowledge(SEALED[index]!.chain, [[first, first + count - 1]], Buffer.from([first]));
    for (let one = first; one < first + count; one++) {
      if (model.held.has(one) || model.trimmed.has(one)) model.acknowledged.add(one);
    }
  }

  async #evict({ chain: index, bytes }: Extract<Step, { kind: "evict" }>): Promise<void> {
    const model = this.#models[index]!;
    const plan = await this.#store.evictPlan([SEALED[index]!.chain], bytes);
    const wanted: number[] = [];
    let freed = 0;
    for (const one of [...model.held].toSorted((a, b) => a - b)) {
      if (freed >= bytes || one === Math.max(...model.held)) break;
      if (model.acknowledged.has(one) || model.evicted.has(one)) continue;
      wanted.push(one);
      freed += model.batches[one]!.payload.length;
    }
    expect(plan.bytes).toBe(freed);
    expect(plan.evict.flatMap(({ seqs }) => seqs)).toEqual(rangesOf(wanted));
    await this.#store.append({ chain: SEALED[index]!.chain, batches: [], evict: plan.evict });
    for (const one of wanted) model.evicted.add(one);
  }

  async #trim(): Promise<void> {
    await this.#store.trim();
    for (const model of this.#models) {
      const head = Math.max(...model.held);
      for (const one of model.held) {
        if (!model.acknowledged.has(one) || one === head) continue;
        model.held.delete(one);
        model.evicted.delete(one);
        model.trimmed.add(one);
      }
    }
  }

  async check(): Promise<void> {
    let charged = 0;
    for (const [index, model] of this.#models.entries()) {
      const summary = this.#store.chain(SEALED[index]!.chain);
      if (summary === undefined) {
        expect(model.held.size).toBe(0);
        continue;
      }
      expect(summary).toMatchObject(expectedSummary(model));
      charged += chargedBytes(summary.bytes, countOf(summary.held));
      const found = await this.#store.verify(summary.id);
      expect(found).toMatchObject({ batches: model.held.size, evicted: model.evicted.size, broken: 0 });
      await this.#checkReads(index, model, summary.held);
    }
    expect(this.#store.usage().bytes).toBe(charged);
    await this.#checkLog();
  }

  async #checkReads(index: number, model: Model, held: Ranges): Promise<void> {
    for (const [first, last] of held) {
      const read = await this.#store.read(SEALED[index]!.chain, first, { maxBytes: 1 << 20 });
      expect(read.map((batch) => batch.seq)).toEqual(Array.from({ length: last - first + 1 }, (_, at) => first + at));
      for (const batch of read) {
        const original = model.batches[batch.seq]!;
        expect(original.header.equals(batch.header)).toBe(true);
        expect(batch.payload === null).toBe(model.evicted.has(batch.seq));
        if (batch.payload !== null) expect(original.payload.equals(batch.payload)).toBe(true);
      }
    }
  }

  async #checkLog(): Promise<void> {
    let offset = 0;
    for (const [index, at, evicted] of this.#log) {
      const model = this.#models[index]!;
      // A ledger is not trimmed; where this one was, the log ends for the test.
      if (model.trimmed.has(at)) break;
      const [entry] = await logged(this.#store, offset, { maxBatches: 1, maxBytes: 1 });
      expect(entry).toMatchObject({ offset, seq: at, count: 1 + (at % 3) });
      expect(entry!.payload === null).toBe(evicted || model.evicted.has(at));
      offset += entry!.count;
    }
    expect(this.#store.logEnd()).toBe(this.#log.reduce((sum, [, at]) => sum + 1 + (at % 3), 0));
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function isNew(model: Model, one: number, evicted: boolean): boolean {
  if (model.trimmed.has(one)) return false;
  return !model.held.has(one) || (model.evicted.has(one) && !evicted);
}

function expectedSummary(model: Model): Record<string, unknown> {
  const held = [...model.held].toSorted((a, b) => a - b);
  const { linked } = model;
  const bytes = (seqs: number[]) =>
    seqs.reduce((sum, one) => {
      const { header, payload } = model.batches[one]!;
      return sum + header.length + (model.evicted.has(one) ? 0 : payload.length);
    }, 0);
  const records = (seqs: number[]) => seqs.reduce((sum, one) => sum + (model.evicted.has(one) ? 0 : 1 + (one % 3)), 0);
  const pending = held.filter((one) => !model.acknowledged.has(one));
  return {
    held: rangesOf(held),
    trimmed: rangesOf([...model.trimmed]),
    evicted: rangesOf([...model.evicted]),
    acknowledged: rangesOf([...model.acknowledged]),
    head: { seq: held.at(-1), hash: model.batches[held.at(-1)!]!.hash },
    linked,
    linkedHead: linked === 0 ? undefined : model.batches[linked - 1]!.hash,
    bytes: bytes(held),
    records: records(held),
    unacknowledgedBytes: bytes(pending),
    unacknowledgedRecords: records(pending),
  };
}

function rangesOf(seqs: readonly number[]): Ranges {
  let ranges: Ranges = [];
  for (const one of seqs) if (!contains(ranges, one)) ranges = withSeq(ranges, one);
  return ranges;
}

test.each([
  ["in memory", placeInMemory, scaled(600)],
  ["on disk", placeOnDisk, scaled(100)],
] as const)(
  "any run of writes, receipts, evictions, trims and restarts fits the model (%s)",
  async (_, makePlace, numRuns) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(...HOT_BYTES), async (all, hotBytes) => {
        const place = makePlace();
        const run = await Run.begin(place, hotBytes);
        try {
          for (const step of all) await run.step(step);
          await run.check();
        } finally {
          await run.close();
          place.remove();
        }
      }),
      { numRuns },
    );
  },
  FUZZ_LIMIT_MS,
);
