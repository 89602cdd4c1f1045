import type { Clock } from "@paddock/base/clock.ts";
import type { Ranges } from "@paddock/base/ranges.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { decodeHeader, sha256 } from "@paddock/wire/batch-header.ts";
import { encodeLogEntry, LOG_EVICTED, LOG_WITH_PAYLOAD } from "./arrival-log.ts";
import type { AppendPlan, PlanningPorts, WholeBatch } from "./append-plan.ts";
import { FactsCache } from "./batch-facts.ts";
import { FactsReader, type ChainEntry } from "./chain-entry.ts";
import { emptyChain, encodeChainState } from "./chain-state.ts";
import type { DamageLog } from "./damage.ts";
import type { KeyValueDatabase } from "./database.ts";
import { DutyBook } from "./duties.ts";
import { HotTail } from "./hot-tail.ts";
import { chainBytes, chainKey, KEY_SPACES, logKey, seqKey } from "./keyspace.ts";
import { Revocations } from "./revocations.ts";
import { SideBook, type SidePlan } from "./side-book.ts";
import { BATCH_OVERHEAD_BYTES, type SpaceGuard } from "./space-guard.ts";
import type { ChainId, StoreWrite, WriteResult } from "./types.ts";
import { valueOf } from "./tolerant-reads.ts";
import { WriteGroup } from "./write-group.ts";

/** Facts of this many batches stay in memory: about a megabyte. */
const FACTS_IN_MEMORY = 4096;

/** Counters since the store was opened. */
export interface StoreCounters {
  /** Bytes of keys and values handed to LevelDB: the wear, before its own amplification of about 2 to 3.5. */
  writtenBytes: number;
  /** Bytes of payloads among them. */
  payloadBytes: number;
  batches: number;
  records: number;
  /** Writes to disk, and how many of them were synced. */
  writes: number;
  syncs: number;
  refusedFull: number;
  evictedBatches: number;
  evictedBytes: number;
  trimmedBatches: number;
  trimmedBytes: number;
  compactions: number;
}

/** The memory of an open store, and how writes change it. */
export class StoreCore {
  readonly database: KeyValueDatabase;
  readonly space: SpaceGuard;
  readonly clock: Clock;
  readonly chains = new Map<string, ChainEntry>();
  readonly cache = new FactsCache(FACTS_IN_MEMORY);
  readonly facts: FactsReader;
  readonly arrivalLog: boolean;
  /** Whether batches may arrive ahead of their predecessors. A buffer in strict order is that of whoever seals them. */
  readonly outOfOrder: boolean;
  readonly damage: DamageLog;
  readonly tail: HotTail;
  readonly duties = new DutyBook();
  readonly side: SideBook;
  readonly revocations = new Revocations();
  /** Ahead of `logEnd` while a write is under way. */
  workingLogEnd = 0;
  /** Offset behind the last record on disk. */
  logEnd = 0;
  /** What names this arrival log. */
  logIncarnation: Uint8Array | undefined;
  /** Number of the last group. */
  serial = 0;
  readonly counters: StoreCounters = {
    writtenBytes: 0,
    payloadBytes: 0,
    batches: 0,
    records: 0,
    writes: 0,
    syncs: 0,
    refusedFull: 0,
    evictedBatches: 0,
    evictedBytes: 0,
    trimmedBatches: 0,
    trimmedBytes: 0,
    compactions: 0,
  };

  constructor(options: {
    database: KeyValueDatabase;
    space: SpaceGuard;
    clock: Clock;
    arrivalLog: boolean;
    outOfOrder: boolean;
    damage: DamageLog;
    hotBytes: number;
  }) {
    this.database = options.database;
    this.space = options.space;
    this.clock = options.clock;
    this.arrivalLog = options.arrivalLog;
    this.outOfOrder = options.outOfOrder;
    this.damage = options.damage;
    this.facts = new FactsReader(this.database, this.cache);
    this.tail = new HotTail(options.hotBytes);
    this.side = new SideBook(this.database);
  }

  entry(id: ChainId): ChainEntry {
    const key = chainBytes(id);
    const name = key.toString("latin1");
    return this.chains.get(name) ?? newEntry(name, key, id);
  }

  /** What planning sees while `group` is being filled. */
  planningPorts(group: WriteGroup): PlanningPorts {
    const facts = this.facts;
    return {
      outOfOrder: this.outOfOrder,
      entry: (id) => this.entry(id),
      mustEnd: (id) => this.duties.epoch(id) !== undefined,
      facts: (entry, seq) => facts.one(entry, seq),
      async *factsOfRanges(entry: ChainEntry, ranges: Ranges) {
        for (const range of ranges) yield* facts.range(entry, range);
      },
      header: async (entry, seq) => {
        const key = seqKey(KEY_SPACES.header, entry.working.key, seq);
        const header = group.pending(key) ?? (await this.database.get(key));
        if (header !== undefined) return header;
        throw new PaddockError("STORE_DAMAGED", `The header of batch ${seq} of a chain is missing.`);
      },
      whole: (entry, seq) => this.#whole(group, entry, seq),
    };
  }

  async #whole(group: WriteGroup, { working }: ChainEntry, seq: number): Promise<WholeBatch | undefined> {
    const valueAt = async (space: typeof KEY_SPACES.header | typeof KEY_SPACES.payload) => {
      const key = seqKey(space, working.key, seq);
      return group.pending(key) ?? (await valueOf(this.database, key));
    };
    const [header, payload] = [await valueAt(KEY_SPACES.header), await valueAt(KEY_SPACES.payload)];
    const read = header && decodeHeader(header);
    if (header === undefined || payload === undefined || !read?.ok) return undefined;
    return sha256(payload).equals(read.value.payloadHash) ? { header, decoded: read.value, payload } : undefined;
  }

  /** Makes a plan part of the group. From here on later plans build on it. */
  applyAppend(group: WriteGroup, plan: AppendPlan, side: SidePlan, write: StoreWrite): WriteResult {
    const { settles = [] } = write;
    const logOffset = this.arrivalLog && plan.added.length > 0 ? this.workingLogEnd : undefined;
    const { entry } = plan;
    const key = entry.working.key;
    for (const { seq, batch, facts, newHeader } of plan.added) {
      if (newHeader) group.put(seqKey(KEY_SPACES.header, key, seq), batch.header);
      else this.duties.settleLoss(group, entry.working.id, [[seq, seq]], facts.count, facts.payloadBytes);
      if (batch.payload !== null) {
        group.put(seqKey(KEY_SPACES.payload, key, seq), batch.payload);
        this.counters.payloadBytes += batch.payload.length;
        this.counters.records += facts.count;
        this.tail.remember(entry, seq, batch.header, batch.payload);
      }
      this.counters.batches++;
      this.cache.remember(entry.facts, seq, facts);
      // A batch without records takes no offset, so it has no entry.
      if (this.arrivalLog && facts.count > 0) this.#log(group, key, seq, facts.count, batch.payload === null);
    }
    for (const evicted of plan.evicted) this.#deletePayloads(group, evicted.entry, evicted.seqs, evicted.bytes);
    for (const duty of settles) {
      if (duty.kind === "loss") this.duties.settleLoss(group, duty.chain, duty.seqs, duty.records, duty.bytes);
    }
    if (plan.added.length > 0 && write.chain.epoch > 0) this.duties.settleEpochs(group, write.chain);
    this.side.apply(group, side);
    if (plan.added.length > 0 || plan.evicted.length > 0) {
      for (const [touched, draft] of plan.drafts) this.touch(group, touched, draft);
    }
    this.space.account(plan.growth + side.growth);
    const changes = plan.added.length + plan.evicted.length + side.puts.length + settles.length;
    if (changes > 0) group.sync = true;
    return { stored: plan.stored, repeated: plan.repeated, logOffset };
  }

  touch(group: WriteGroup, entry: ChainEntry, state: ChainEntry["working"]): void {
    entry.working = state;
    this.chains.set(entry.name, entry);
    group.touched.add(entry);
  }

  /** Adds the state of every chain that the group changed, once. */
  completeGroup(group: WriteGroup): void {
    if (group.touched.size > 0) this.serial++;
    for (const entry of group.touched) {
      entry.working = { ...entry.working, written: this.serial };
      group.put(chainKey(KEY_SPACES.chain, entry.working.key), encodeChainState(entry.working));
    }
    if (group.operations.length === 0) return;
    this.side.complete(group, this.serial);
    this.counters.writtenBytes += group.bytes;
    this.counters.writes++;
    if (group.sync) this.counters.syncs++;
  }

  /** The group is on disk: from now on it may be seen. */
  publishGroup(group: WriteGroup): void {
    for (const entry of group.touched) entry.published = entry.working;
    this.logEnd = this.workingLogEnd;
    this.cache.shrink();
  }

  /** A write of recovery, before anyone else writes. */
  async writeRepair(prepare: (group: WriteGroup) => Promise<void>): Promise<void> {
    const group = new WriteGroup();
    group.sync = true;
    await prepare(group);
    this.completeGroup(group);
    await this.database.batch(group.operations, { sync: group.sync });
    this.publishGroup(group);
  }

  #log(group: WriteGroup, key: Uint8Array, seq: number, count: number, evicted: boolean): void {
    const kind = evicted ? LOG_EVICTED : LOG_WITH_PAYLOAD;
    const received = Math.max(0, this.clock.wallMs());
    group.put(logKey(this.workingLogEnd), encodeLogEntry(kind, key, seq, count, received));
    this.workingLogEnd += count;
  }

  #deletePayloads(group: WriteGroup, entry: ChainEntry, seqs: Ranges, bytes: number): void {
    for (const [first, last] of seqs) {
      for (let seq = first; seq <= last; seq++) group.delete(seqKey(KEY_SPACES.payload, entry.working.key, seq));
      this.counters.evictedBatches += last - first + 1;
      entry.deletedTo = Math.max(entry.deletedTo, last);
    }
    this.counters.evictedBytes += bytes;
    entry.deletedBytes += bytes;
  }
}

export function newEntry(name: string, key: Uint8Array, id: ChainId): ChainEntry {
  return {
    name,
    working: emptyChain(id, key),
    published: undefined,
    facts: new Map(),
    deletedBytes: 0,
    deletedTo: 0,
  };
}

/** Bytes that a chain is charged against the quota. */
export function chargedBytes(bytes: number, batches: number): number {
  return bytes + batches * BATCH_OVERHEAD_BYTES;
}
