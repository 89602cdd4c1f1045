import type { Clock, Timer } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId, SideEntry, StoreWrite } from "@paddock/store/types.ts";
import { headerHash, sealHeader, sha256, type ClockQuality } from "@paddock/wire/batch-header.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import { encodeExchanges, EXCHANGE_PREFIX } from "../ingest/exchange-memory.ts";
import type { Committed, IncomingFrame, Pressure } from "../ingest/frame-sink.ts";
import type { GatewayRecord } from "@paddock/wire/gateway-record.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { ClockQualitySource, CommitStore, EpochStart, LaneSettings } from "./ports.ts";

/** Closed batches that may wait behind the one being written: 4 MiB, some 100 ms of disk stall at full load. */
export const CLOSED_BATCHES_MAX = 16;
/** Seconds that a refused sensor is asked to stay away. */
const RETRY_FULL_S = 10;
const RETRY_QUEUE_S = 1;
/** A write that still finds no room after this many rounds of making some is refused. */
const ROOM_ROUNDS_MAX = 8;
/** A wall clock that moved against the monotonic one by more than this was stepped. */
const STEP_MS = 1000;

const QUEUE_FULL: Pressure = { reason: "queue-full", retryAfterS: RETRY_QUEUE_S };
const STORE_FULL: Pressure = { reason: "store-full", retryAfterS: RETRY_FULL_S };

export interface LaneCounters {
  /** Frames that became durable. */
  committedFrames: number;
  committedBatches: number;
  /** Records that became durable: these frames and the gateway's own. */
  committedRecords: number;
  /** Bytes of payload that became durable. */
  committedBytes: number;
  refusedStoreFull: number;
  refusedQueueFull: number;
  evictedRecords: number;
  evictedBytes: number;
}

/** A header of a chain, by its seq and hash. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** A promise that is still to be settled, by its functions. */
interface Waiting<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (failure: unknown) => void;
}

interface WantedEpoch extends Waiting<boolean> {
  readonly start: EpochStart;
}

interface EvictionDemand extends Waiting<boolean> {
  readonly bytes: number;
}

export interface LaneWriterOptions {
  readonly chain: ChainId;
  readonly head: ChainEnd | undefined;
  /** Given when this chain is the first of a new epoch; `beginEpoch` must then come before the first frame. */
  readonly epochStart: EpochStart | undefined;
  readonly settings: LaneSettings;
  readonly identity: SigningIdentity;
  readonly store: CommitStore;
  readonly boot: number;
  readonly clock: Clock;
  readonly clockQuality: ClockQualitySource;
  readonly log: Log;
  /** Runs the callback after the datagrams that are waiting now were read. */
  readonly defer: (callback: () => void) => void;
  /** Frees at least `bytes` if it can: resolves with what to evict in the same write, `freed` (try again) or `none`. */
  readonly makeRoom: (writer: LaneWriter, bytes: number) => Promise<readonly PlannedEviction[] | "freed" | "none">;
  readonly takeBatch: () => OpenBatch;
  readonly giveBack: (batch: OpenBatch) => void;
  readonly sealed: (chain: ChainId, seq: number, waitedUs: number) => void;
  readonly fatal: (error: unknown) => void;
}

/**
 * Turns the frames of one lane into its chain. Self-clocking: a batch is written when somebody waits for it and no write
 * of this lane is under way, when it is full, or when its linger ran out; while one is written the next fills.
 */
export class LaneWriter {
  readonly #options: LaneWriterOptions;
  #chain: ChainId;
  readonly settings: LaneSettings;
  readonly counters: LaneCounters = {
    committedFrames: 0,
    committedRecords: 0,
    committedBatches: 0,
    committedBytes: 0,
    refusedStoreFull: 0,
    refusedQueueFull: 0,
    evictedRecords: 0,
    evictedBytes: 0,
  };
  #head: ChainEnd | undefined;
  #epochStart: EpochStart | undefined;
  #wantedEpoch: WantedEpoch | undefined;
  #open: OpenBatch;
  #closed: OpenBatch[] = [];
  #writing = false;
  #pumpDeferred = false;
  #linger: Timer | undefined;
  #refusingUntilUs: number | undefined;
  /** Wall minus monotonic clock in ms when the newest batch was begun, and the quality then. */
  #drift: { readonly ms: number; readonly quality: ClockQuality } | undefined;
  #evictionDemand: EvictionDemand[] = [];
  #asking = false;
  #idle: Waiting<void>[] = [];
  /** Why this lane writes no more: what is on disk is unknown. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LaneWriterOptions) {
    this.#options = options;
    this.#chain = options.chain;
    this.#epochStart = options.epochStart;
    this.settings = options.settings;
    this.#head = options.head;
    this.#open = options.takeBatch();
  }

  get chain(): ChainId {
    return this.#chain;
  }

  get head(): ChainEnd | undefined {
    return this.#head;
  }

  get closedBatches(): number {
    return this.#closed.length;
  }

  /** Whether new frames are refused for want of room. */
  get full(): boolean {
    return this.#refusingUntilUs !== undefined && this.#options.clock.monotonicUs() < this.#refusingUntilUs;
  }

  submit(frame: IncomingFrame, committed: Committed | undefined): Pressure | undefined {
    if (this.#refusingUntilUs !== undefined && this.full) {
      this.counters.refusedStoreFull++;
      return STORE_FULL;
    }
    if (this.#open.empty) this.#begin(frame.receivedUs);
    if (!this.#open.add(frame, committed)) {
      if (this.#closed.length >= CLOSED_BATCHES_MAX) {
        this.counters.refusedQueueFull++;
        return QUEUE_FULL;
      }
      this.#close();
      this.#begin(frame.receivedUs);
      if (!this.#open.add(frame, committed))
        throw new RangeError(`a frame of ${frame.frame.length} bytes fits no batch`);
    }
    if ((frame.waits ?? committed !== undefined) || this.settings.lingerMs === 0) this.#open.due = true;
    if (this.#open.due) this.#pumpSoon();
    else this.#startLinger();
    return undefined;
  }

  /** The chains of this lane, the oldest epoch first: the order in which payloads are given up. */
  evictionOrder(): ChainId[] {
    const { epoch } = this.chain;
    return Array.from({ length: epoch + 1 }, (_, older) => ({ ...this.chain, epoch: older }));
  }

  /** Writes the record that says why this epoch begins; does nothing when it goes on. Throws STORE_FULL. */
  async beginEpoch(): Promise<void> {
    const start = this.#epochStart;
    if (start === undefined || this.#head !== undefined) return;
    const { reason, previousEpoch, lastSeq } = start;
    this.#begin(this.#options.clock.monotonicUs());
    this.#open.addOwn({ kind: "epoch-change", reason, previousEpoch, lastSeq });
    await this.flush();
    if (this.#head === undefined) {
      throw new PaddockError("STORE_FULL", `There is no room for the first batch of epoch ${this.chain.epoch}.`);
    }
  }

  /**
   * Ends the chain and goes on in the next epoch, with everything that is not sealed yet; `end` is where the chain is
   * known to be the collector's too. False: there was no room for it, or another change is on its way.
   */
  changeEpoch(reason: string, end: ChainEnd | undefined): Promise<boolean> {
    if (this.#wantedEpoch !== undefined) return Promise.resolve(false);
    const start: EpochStart = {
      reason,
      previousEpoch: this.#chain.epoch,
      lastSeq: end?.seq ?? null,
      previous: end?.hash ?? Buffer.alloc(HASH_BYTES),
    };
    return this.#wait((waiting) => {
      this.#wantedEpoch = { start, ...waiting };
      this.#pump();
    });
  }

  /** Ends the refusal: there is room again. */
  roomFreed(): void {
    if (this.#refusingUntilUs === undefined) return;
    this.#refusingUntilUs = undefined;
    this.#options.log.info("store-room", { lane: laneName(this.chain.lane) });
  }

  /** Gives up `bytes` of this lane's oldest payloads with its next write, which happens at once. False: nothing left. */
  evict(bytes: number): Promise<boolean> {
    if (this.#asking) return Promise.resolve(false);
    return this.#wait((waiting) => {
      this.#evictionDemand.push({ bytes, ...waiting });
      this.#pump();
    });
  }

  /**
   * Asks another lane for room. Meanwhile this lane, which has nothing of its own to give, answers no to the others, so
   * that two lanes never wait for each other.
   */
  async askOther(other: LaneWriter, bytes: number): Promise<boolean> {
    this.#asking = true;
    for (const demand of this.#evictionDemand.splice(0)) demand.resolve(false);
    try {
      return await other.evict(bytes);
    } finally {
      this.#asking = false;
    }
  }

  /** Writes what is open; resolves when everything accepted is durable or was refused. Rejects after a failed write. */
  flush(): Promise<void> {
    return this.#wait((waiting) => {
      this.#idle.push(waiting);
      if (!this.#open.empty) this.#open.due = true;
      this.#pump();
    });
  }

  /** A wait that ends with this lane at the latest: nobody waits for a lane that writes no more. */
  #wait<Value>(begin: (waiting: Waiting<Value>) => void): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.#failure === undefined) begin({ resolve, reject });
      else reject(this.#failure.error);
    });
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#options.fatal(error);
    const waiting = [...this.#idle.splice(0), ...this.#evictionDemand.splice(0)];
    for (const { reject } of waiting) reject(error);
    this.#wantedEpoch?.reject(error);
  }

  #begin(receivedUs: number): void {
    const { clock, clockQuality } = this.#options;
    const monotonicUs = clock.monotonicUs();
    const quality = clockQuality.quality();
    const driftMs = clock.wallMs() - monotonicUs / 1000;
    const wallMs = Math.round(driftMs + receivedUs / 1000);
    const previous = this.#drift;
    this.#open.begin(receivedUs, wallMs, quality);
    if (previous !== undefined && (Math.abs(driftMs - previous.ms) > STEP_MS || quality > previous.quality)) {
      const before = Math.round(previous.ms + receivedUs / 1000);
      this.#open.addOwn({ kind: "clock-step", before, after: wallMs });
      this.#options.log.warn("clock-step", { lane: laneName(this.chain.lane), before, after: wallMs, quality });
    }
    this.#drift = { ms: driftMs, quality };
  }

  #close(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    this.#closed.push(this.#open);
    this.#open = this.#options.takeBatch();
    this.#pumpSoon();
  }

  #startLinger(): void {
    if (this.#linger !== undefined) return;
    const batch = this.#open;
    this.#linger = this.#options.clock.after(this.settings.lingerMs, () => {
      this.#linger = undefined;
      batch.due = true;
      this.#pump();
    });
  }

  /** Not at once: the datagrams that are in the socket already shall share the write. */
  #pumpSoon(): void {
    if (this.#pumpDeferred || this.#writing) return;
    this.#pumpDeferred = true;
    this.#options.defer(() => {
      this.#pumpDeferred = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#writing) return;
    if (this.#wantedEpoch !== undefined) {
      this.#writing = true;
      void this.#runEpochChange(this.#wantedEpoch);
      return;
    }
    const batch = this.#nextBatch();
    if (batch === undefined) {
      if (this.#open.empty) for (const { resolve } of this.#idle.splice(0)) resolve();
      return;
    }
    this.#writing = true;
    void this.#run(batch);
  }

  async #run(batch: OpenBatch): Promise<void> {
    let failure: Pressure | undefined;
    try {
      failure = await this.#write(batch);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#writing = false;
    const done = failure === undefined ? [batch] : [batch, ...this.#refuseDependents(batch)];
    // The next write first: the disk works while the answers go out.
    this.#pump();
    for (const each of done) {
      for (const committed of each.committed) committed(failure);
      each.reset();
      this.#options.giveBack(each);
    }
  }

  /**
   * Takes out the waiting batches that carry states. Those were made in the belief that the refused frames would be
   * stored before; written, they would count these as taken, and after a restart a sensor would be told so.
   */
  #refuseDependents(refused: OpenBatch): OpenBatch[] {
    if (refused.side.length === 0) return [];
    const dependents = this.#closed.filter((batch) => batch.side.length > 0);
    this.#closed = this.#closed.filter((batch) => batch.side.length === 0);
    if (this.#open.side.length > 0) {
      this.#linger?.cancel();
      this.#linger = undefined;
      dependents.push(this.#open);
      this.#open = this.#options.takeBatch();
    }
    for (const batch of dependents) this.counters.refusedStoreFull += batch.frames;
    return dependents;
  }

  async #runEpochChange({ start, resolve }: WantedEpoch): Promise<void> {
    const { clock, clockQuality, takeBatch, giveBack, log } = this.#options;
    const before = { chain: this.#chain, head: this.#head, start: this.#epochStart };
    const { reason, previousEpoch, lastSeq } = start;
    const batch = takeBatch();
    batch.begin(clock.monotonicUs(), clock.wallMs(), clockQuality.quality());
    batch.addOwn({ kind: "epoch-change", reason, previousEpoch, lastSeq });
    this.#chain = { ...before.chain, epoch: before.chain.epoch + 1 };
    this.#head = undefined;
    this.#epochStart = start;
    let failure: Pressure | undefined;
    try {
      failure = await this.#write(batch);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (failure === undefined) {
      log.warn("epoch-change", { lane: laneName(this.#chain.lane), epoch: this.#chain.epoch, reason, lastSeq });
    } else {
      log.warn("epoch-not-changed", { lane: laneName(before.chain.lane), epoch: previousEpoch, reason });
      this.#chain = before.chain;
      this.#head = before.head;
      this.#epochStart = before.start;
    }
    this.#wantedEpoch = undefined;
    this.#writing = false;
    batch.reset();
    giveBack(batch);
    this.#pump();
    resolve(failure === undefined);
  }

  #nextBatch(): OpenBatch | undefined {
    const closed = this.#closed.shift();
    if (closed !== undefined) return closed;
    if (this.#evictionDemand.length > 0 && this.#open.empty) this.#begin(this.#options.clock.monotonicUs());
    else if (this.#open.empty || !(this.#open.due || this.#evictionDemand.length > 0)) return undefined;
    this.#linger?.cancel();
    this.#linger = undefined;
    const batch = this.#open;
    this.#open = this.#options.takeBatch();
    return batch;
  }

  /** Seals the batch at the head of the chain and makes it durable; resolves with the pressure when there is no room. */
  async #write(batch: OpenBatch): Promise<Pressure | undefined> {
    const demands = this.#evictionDemand.splice(0);
    try {
      return await this.#writeFor(batch, demands);
    } catch (error) {
      for (const { reject } of demands) reject(error);
      throw error;
    }
  }

  async #writeFor(batch: OpenBatch, demands: EvictionDemand[]): Promise<Pressure | undefined> {
    let demanded = demands.reduce((sum, demand) => sum + demand.bytes, 0);
    let evictions: readonly PlannedEviction[] = [];
    if (demanded > 0) {
      evictions = await this.#options.store.evictPlan(this.evictionOrder(), demanded);
      batch.setLoss(evictions.map(lossRecord));
    }
    for (let round = 0; round < ROOM_ROUNDS_MAX && !batch.empty; round++) {
      if (await this.#append(batch, evictions)) {
        for (const demand of demands) demand.resolve(evictions.length > 0);
        return undefined;
      }
      for (const demand of this.#evictionDemand.splice(0)) {
        demands.push(demand);
        demanded += demand.bytes;
      }
      const room = await this.#options.makeRoom(this, demanded + batch.payload.length * (round + 1));
      if (room === "none") break;
      if (room === "freed") continue;
      evictions = room;
      batch.setLoss(room.map(lossRecord));
    }
    for (const demand of demands) demand.resolve(false);
    return this.#refuse(batch);
  }

  /** True when durable, false when the store is full. Anything else that goes wrong here is fatal. */
  async #append(batch: OpenBatch, evictions: readonly PlannedEviction[]): Promise<boolean> {
    const { identity, store, boot, clock } = this.#options;
    const { lane, epoch } = this.chain;
    const payload = batch.payload;
    const seq = this.#head === undefined ? 0 : this.#head.seq + 1;
    const position = {
      lane,
      epoch,
      seq,
      previous: this.#head?.hash ?? this.#epochStart?.previous ?? null,
      count: batch.count,
      size: payload.length,
      boot,
      monotonic: batch.monotonicUs,
      wall: batch.wallMs,
      clock: batch.clock,
    };
    const payloadHash = sha256(payload);
    const header = sealHeader(identity, position, payloadHash);
    const hash = headerHash(header);
    const decoded = { gateway: identity.id, position, payloadHash };
    const write: StoreWrite = {
      chain: this.chain,
      batches: [{ header, payload, decoded, hash }],
      side: this.#sideOf(batch),
      evict: evictions,
    };
    const outcome = await store.append(write);
    if (!outcome.ok) {
      if (outcome.reason === "full") return false;
      throw new PaddockError(
        "STORE_DAMAGED",
        `The store refuses batch ${seq} of lane ${laneName(lane)} (${outcome.reason}): ${outcome.detail}`,
      );
    }
    this.#head = { seq, hash };
    this.#count(batch, evictions);
    this.roomFreed();
    this.#options.sealed(this.chain, seq, clock.monotonicUs() - batch.monotonicUs);
    return true;
  }

  #sideOf(batch: OpenBatch): SideEntry[] {
    const { side, exchanges } = batch;
    if (exchanges.length === 0) return side;
    const value = encodeExchanges(this.#options.boot, Math.floor(batch.monotonicUs / 1_000_000), exchanges);
    return [...side, { key: EXCHANGE_PREFIX + laneName(this.chain.lane), value }];
  }

  #count(batch: OpenBatch, evictions: readonly PlannedEviction[]): void {
    this.counters.committedFrames += batch.frames;
    this.counters.committedRecords += batch.count;
    this.counters.committedBatches++;
    this.counters.committedBytes += batch.payload.length;
    for (const { chain, seqs, records, bytes } of evictions) {
      this.counters.evictedRecords += records;
      this.counters.evictedBytes += bytes;
      this.#options.log.warn("evicted", { lane: laneName(chain.lane), epoch: chain.epoch, seqs, records, bytes });
    }
  }

  #refuse(batch: OpenBatch): Pressure {
    if (batch.frames === 0) return STORE_FULL;
    this.counters.refusedStoreFull += batch.frames;
    const { clock, log } = this.#options;
    if (this.#refusingUntilUs === undefined) {
      log.warn("store-full", {
        lane: laneName(this.chain.lane),
        policy: this.settings.pressure,
        refused: batch.frames,
      });
    }
    this.#refusingUntilUs = clock.monotonicUs() + RETRY_FULL_S * 1_000_000;
    return STORE_FULL;
  }
}

function lossRecord({ chain, seqs, records, bytes }: PlannedEviction): GatewayRecord {
  return { kind: "loss", reason: "evicted", epoch: chain.epoch, ranges: seqs, records, bytes };
}
