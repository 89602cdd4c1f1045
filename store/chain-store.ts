import { statfsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@paddock/base/clock.ts";
import type { Outcome } from "@paddock/base/outcome.ts";
import { contains, type Ranges } from "@paddock/base/ranges.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { prepareAppend } from "./append.ts";
import { Ballast } from "./ballast.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { CommitQueue } from "./commit-queue.ts";
import { Compactor } from "./compactor.ts";
import { DamageLog, type Damage } from "./damage.ts";
import { planEviction } from "./eviction-plan.ts";
import type { EvictionPlan } from "./eviction-policy.ts";
import { makeDirectory } from "./generation.ts";
import { chainKey, chainName, KEY_SPACES } from "./keyspace.ts";
import { checkLog, logOffsetAt, readLog, type LogItem, type LogLimits } from "./log-reads.ts";
import { loadChains } from "./open-store.ts";
import { acknowledgeIn, trimSome, type Trimmed } from "./release.ts";
import { openPlace, type StorePlace } from "./store-place.ts";
import { rebuildStates } from "./rebuild-state.ts";
import { SpaceGuard } from "./space-guard.ts";
import { StoreCore } from "./store-core.ts";
import { PAYLOAD_BYTES_MAX } from "@paddock/wire/limits.ts";
import type { ChainStoreOptions } from "./store-options.ts";
import { usageOf, type StoreUsage } from "./store-usage.ts";
import { readBatches, readHeaders, readOne, readSide, type ReadLimits } from "./store-reads.ts";
import { compareWithWitness } from "./lost-tail.ts";
import { checkTails, type RecoveryNote } from "./tail-check.ts";
import type { ChainId, ChainSummary, Duty, Shortage, StoredBatch, StoreWrite, WriteOutcome } from "./types.ts";
import type { WriteGroup } from "./write-group.ts";
import { WitnessKeeper } from "./witness-keeper.ts";
import { verifyStore } from "./verify-store.ts";
import { verifyChain, type ChainVerification, type VerifyOptions } from "./verify.ts";

export type { ChainStoreOptions } from "./store-options.ts";
export type { StoreUsage } from "./store-usage.ts";

/** Of the look over everything after LevelDB left something out: fast, as damage is known to be there. */
const VERIFY_BYTES_PER_S = 64 << 20;

/**
 * The chains of one gateway (its buffer) or of many (a collector's ledger), durable in LevelDB.
 *
 * Writes are answered after a synced, atomic write that they may share with others. Once a write has failed nobody
 * knows what is on disk: every pending and later call rejects with PaddockError STORE_WRITE_FAILED, the process must
 * end, and the next start finds the truth on disk. What readers see is what is on disk, never what is on its way there.
 */
export class ChainStore {
  /** What start-up had to repair. */
  readonly recovery: readonly RecoveryNote[];
  readonly #core: StoreCore;
  readonly #queue: CommitQueue;
  readonly #compactor: Compactor;
  readonly #options: ChainStoreOptions;
  readonly #ballast: Ballast | undefined;
  readonly #followers: Set<() => void>;
  readonly #place: StorePlace;
  readonly #witness: WitnessKeeper | undefined;
  readonly #verifying = new AbortController();
  #verified: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * Opens a store, checks the tail of its chains and takes the ballast. Start-up cost grows with the chains, not with
   * what they hold. Throws PaddockError STORE_LOCKED when another process has it open, STORE_DAMAGED when it
   * cannot be read.
   */
  static async open(options: ChainStoreOptions): Promise<ChainStore> {
    const { directory, clock, readOnly = false } = options;
    if ((directory === undefined) === (options.database === undefined)) {
      throw new TypeError("a store needs either a directory or a database");
    }
    if (directory !== undefined && !readOnly) await makeDirectory(directory);
    const hasBallast = directory !== undefined && !readOnly;
    const ballast = hasBallast ? new Ballast(join(directory, "ballast"), options.ballastBytes) : undefined;
    const freeBytes =
      options.freeBytes ?? (directory === undefined || readOnly ? () => Infinity : () => freeOn(directory));
    // Opening writes too.
    if (freeBytes() < options.minFreeBytes) ballast?.release();
    const place = await openPlace(options);
    const core = new StoreCore({
      database: place.database,
      space: new SpaceGuard(options, freeBytes, ballast, clock),
      clock,
      arrivalLog: options.arrivalLog,
      outOfOrder: options.outOfOrder ?? options.arrivalLog,
      damage: new DamageLog(options.onDamage),
      hotBytes: options.hotBytes ?? 0,
    });
    try {
      const damaged = await loadChains(core, readOnly);
      const rebuilt = await rebuildStates(core, damaged, readOnly);
      core.space.free();
      await ballast?.settle();
      return await ChainStore.#recover(core, options, place, ballast, rebuilt);
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  static async #recover(
    core: StoreCore,
    options: ChainStoreOptions,
    place: StorePlace,
    ballast: Ballast | undefined,
    rebuilt: readonly RecoveryNote[],
  ): Promise<ChainStore> {
    const followers = new Set<() => void>();
    const compactor = new Compactor(core, options.compactAfterBytes);
    const { witness: file, testimony } = place;
    const witness = file && new WitnessKeeper(core, file, options.clock);
    const queue = new CommitQueue(core.database, {
      complete: (group) => core.completeGroup(group),
      written: (group) => {
        const before = core.logEnd;
        core.publishGroup(group);
        if (core.logEnd > before) for (const callback of followers) callback();
        if (group.sync) witness?.noted();
        if (group.deletes) compactor.consider();
      },
    });
    const append = (write: StoreWrite): Promise<WriteOutcome> =>
      queue.submit((group) => prepareAppend(core, group, write));
    const readOnly = options.readOnly === true;
    for (const detail of place.complaints) core.damage.tell({ chain: undefined, what: "database", detail });
    if (readOnly) await queue.close("the store was opened to be read only");
    const recovery = readOnly
      ? []
      : [
          ...rebuilt,
          ...(await checkTails(core, async (chain, batches) => (await append({ chain, batches })).ok)),
          ...(await compareWithWitness(core, testimony)),
        ];
    await witness?.write();
    return new ChainStore({ core, queue, compactor, options, place, witness, ballast, followers, recovery });
  }

  private constructor(parts: {
    core: StoreCore;
    queue: CommitQueue;
    compactor: Compactor;
    options: ChainStoreOptions;
    place: StorePlace;
    witness: WitnessKeeper | undefined;
    ballast: Ballast | undefined;
    followers: Set<() => void>;
    recovery: readonly RecoveryNote[];
  }) {
    this.#core = parts.core;
    this.#queue = parts.queue;
    this.#compactor = parts.compactor;
    this.#options = parts.options;
    this.#place = parts.place;
    this.#witness = parts.witness;
    this.#ballast = parts.ballast;
    this.#followers = parts.followers;
    this.recovery = parts.recovery;
    if (parts.place.complaints.length > 0 && parts.options.readOnly !== true) {
      this.#verified = this.#verifyAll(parts.options.clock);
    }
  }

  /** LevelDB left something out when it opened and does not say what: everything is looked at, beside the work. */
  async #verifyAll(clock: Clock): Promise<void> {
    // What the disk does not read is met by those who need it; the rest is looked at all the same.
    const options = { bytesPerSecond: VERIFY_BYTES_PER_S, clock, onUnreadable: () => {} };
    try {
      await verifyStore(this, { ...options, signal: this.#verifying.signal });
    } catch (error) {
      if (!this.#verifying.signal.aborted) throw error;
    }
  }

  /** Waits for what is under way and lets the store go. Requests made after this reject. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#verifying.abort();
    await this.#queue.close();
    await this.#verified;
    await this.#compactor.settle();
    await this.#ballast?.settle();
    const left = await this.#place.close();
    // After a failed write nobody knows what is on disk.
    await this.#witness?.close(this.#queue.failure === undefined ? left : undefined);
  }

  /** Every chain that has been written to. */
  chains(): readonly ChainSummary[] {
    const summaries: ChainSummary[] = [];
    for (const { published } of this.#core.chains.values()) if (published !== undefined) summaries.push(published);
    return summaries;
  }

  chain(id: ChainId): ChainSummary | undefined {
    return this.#core.chains.get(chainName(id))?.published;
  }

  /** The highest epoch of a gateway's lane, or undefined when it never had a chain. */
  latestEpoch(gateway: Uint8Array, lane: Lane): number | undefined {
    let latest: number | undefined;
    // Of a chain that was lost whole only the duty is left.
    for (const id of [...this.chains().map((chain) => chain.id), ...this.duties().map(({ chain }) => chain)]) {
      if (id.lane === lane && Buffer.compare(id.gateway, gateway) === 0) latest = Math.max(latest ?? 0, id.epoch);
    }
    return latest;
  }

  /**
   * Stores batches, side entries and evictions in one atomic, synced write, all or nothing. The same header again is
   * `repeated`; see WriteRefusal for the rest. Acknowledged batches are trimmed when the quota needs their room.
   */
  append(write: StoreWrite): Promise<WriteOutcome> {
    return this.#queue.submit((group) => prepareAppend(this.#core, group, write));
  }

  /**
   * Batches from `first` on without a gap, each as it was written or held against its hashes on the way out; empty when `first` is not stored.
   * One whose payload is missing or altered comes without it, `damaged`; before a header that is missing or altered the
   * read ends. Both are told by `onDamage`.
   */
  async read(id: ChainId, first: number, limits: ReadLimits): Promise<StoredBatch[]> {
    this.#assertUsable();
    const entry = this.#entry(id);
    if (entry === undefined) return [];
    return this.#core.tail.read(entry, first, limits) ?? readBatches(this.#core, entry, first, limits);
  }

  /** One batch, as `read` gives it, or undefined when it is not stored or its header is not to be believed. */
  async readOne(id: ChainId, seq: number): Promise<StoredBatch | undefined> {
    this.#assertUsable();
    const entry = this.#entry(id);
    const stored = entry?.published !== undefined && contains(entry.published.held, seq);
    return stored ? readOne(this.#core, entry, seq) : undefined;
  }

  /** Headers from `first` to `last`, checked, up to the first one that is not stored or not to be believed. */
  async readHeaders(
    id: ChainId,
    first: number,
    last: number,
  ): Promise<{ readonly seq: number; readonly header: Uint8Array }[]> {
    this.#assertUsable();
    const entry = this.#entry(id);
    return entry === undefined ? [] : readHeaders(this.#core, entry, first, last);
  }

  /**
   * Notes what a receipt names; seqs that were never stored here are passed over. Resolves when written, not synced:
   * when a power cut takes it, the collector is asked again after the next start.
   */
  async acknowledge(id: ChainId, ranges: Ranges, receipt: Uint8Array): Promise<void> {
    if (this.#entry(id) === undefined) return;
    const step = (group: WriteGroup): Promise<boolean> =>
      acknowledgeIn(this.#core, group, this.#core.entry(id), ranges, receipt);
    while (!(await this.#queue.submit(step)));
  }

  /** The last receipt as signed, or undefined. */
  async lastReceipt(id: ChainId): Promise<Uint8Array | undefined> {
    this.#assertUsable();
    const entry = this.#entry(id);
    return entry && this.#core.database.get(chainKey(KEY_SPACES.receipt, entry.working.key));
  }

  /**
   * Deletes acknowledged batches, oldest first, until at most `keepBytes` (0) of them are left. The head of a chain
   * always stays. Other writes go between.
   */
  async trim(options: { readonly keepBytes?: number } = {}): Promise<Trimmed> {
    const total = { batches: 0, bytes: 0 };
    for (;;) {
      const chunk = await this.#queue.submit((group) => trimSome(this.#core, group, options.keepBytes ?? 0));
      total.batches += chunk.batches;
      total.bytes += chunk.bytes;
      if (chunk.batches === 0) return total;
    }
  }

  /**
   * Which payloads to give up, oldest first, to free `bytesNeeded`, among the chains given in their order. The caller
   * seals a loss record for each and passes `evict` on with the batch that holds them. Ask for more than the next write
   * needs: every eviction costs a record in the chain. What is `spared` stays.
   */
  async evictPlan(
    chains: readonly ChainId[],
    bytesNeeded: number,
    spared: (chain: ChainId) => Ranges = () => [],
  ): Promise<EvictionPlan> {
    this.#assertUsable();
    return planEviction(this.#core, chains, bytesNeeded, spared);
  }

  /** Side entries whose key starts with `prefix`. */
  async side(prefix: string): Promise<Map<string, Uint8Array>> {
    this.#assertUsable();
    return readSide(this.#core, prefix);
  }

  /**
   * The log in arrival order from record `fromOffset` on, each batch held against its hashes; what cannot be read any
   * more is an item that says how many records from which offset. Refused beyond the end. Needs `arrivalLog`.
   */
  async readLog(fromOffset: number, limits: LogLimits): Promise<Outcome<LogItem[], "out-of-range">> {
    this.#assertUsable();
    return readLog(this.#core, fromOffset, limits);
  }

  /**
   * 16 bytes that name this log: made with it and in every backup of it. An offset of a log with another name means
   * nothing here. Undefined without `arrivalLog`.
   */
  get logIncarnation(): Uint8Array | undefined {
    return this.#core.logIncarnation;
  }

  /** The offset that the next record will get. */
  logEnd(): number {
    return this.#core.logEnd;
  }

  /** The offset of the first batch received at or after a time in Unix ms, or the end of the log. */
  async logOffsetAt(receivedMs: number): Promise<number> {
    this.#assertUsable();
    return logOffsetAt(this.#core, receivedMs);
  }

  /** Calls back whenever the log has grown. Returns what stops it. */
  onLog(callback: () => void): () => void {
    this.#followers.add(callback);
    return () => void this.#followers.delete(callback);
  }

  /** Checks every held batch of a chain; one that does not exist has nothing to find fault with. */
  async verify(id: ChainId, options: VerifyOptions = {}): Promise<ChainVerification> {
    this.#assertUsable();
    return verifyChain(this.#core, this.#core.entry(id), options);
  }

  /** Whether the arrival log has an entry for every offset: looks at `limit` of them from one's offset on. */
  async verifyLog(from: number, limit: number): Promise<{ readonly next: number; readonly lost: number }> {
    this.#assertUsable();
    return checkLog(this.#core, from, limit);
  }

  usage(): StoreUsage {
    return usageOf(this.#core, this.#options, this.#ballast, this.chains());
  }

  /** What the largest batch would have no room in, now; undefined when it would be taken. */
  shortage(): Shortage | undefined {
    return this.#core.space.refusal(PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX, false)?.shortage;
  }

  /**
   * Gives the room of what was deleted back to the disk now, instead of when enough has come together, and says what the
   * disk had free before and has after, in bytes. Against a shortage of `disk` an eviction frees nothing without it.
   */
  async compactNow(): Promise<{ readonly freeBefore: number; readonly freeAfter: number }> {
    const freeBefore = this.#core.space.measure();
    await this.#compactor.compactNow();
    return { freeBefore, freeAfter: this.#core.space.measure() };
  }

  /** What repairs of this and of earlier starts left to be done, until a write did it (see `StoreWrite.settles`). */
  duties(): readonly Duty[] {
    return this.#core.duties.all();
  }

  /** The damaged places that were found since the store was opened, each once. */
  damage(): readonly Damage[] {
    return this.#core.damage.list();
  }

  #entry(id: ChainId): ChainEntry | undefined {
    return this.#core.chains.get(chainName(id));
  }

  #assertUsable(): void {
    if (this.#queue.failure !== undefined) throw this.#queue.failure;
  }
}

function freeOn(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
