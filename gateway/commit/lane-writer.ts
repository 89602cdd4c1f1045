import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId, Shortage } from "@paddock/store/types.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { BatchClock } from "./batch-clock.ts";
import type { ChainSealer } from "./chain-sealer.ts";
import type { Committed, IncomingFrame, Pressure } from "./frame-sink.ts";
import type { LossBook, LossPlan } from "./loss-book.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { ClockQualitySource, EpochStart, LaneSettings } from "./ports.ts";
import { RoomBargain, type MakeRoom } from "./room-bargain.ts";

/** Closed batches that may wait behind the one being written: 4 MiB, some 100 ms of disk stall at full load. */
export const CLOSED_BATCHES_MAX = 16;
/** Seconds that a refused sensor is asked to stay away. */
const RETRY_FULL_S = 10;
const RETRY_QUEUE_S = 1;

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

/** An epoch that has to begin before anything else of the lane is written. */
interface DueEpoch {
  readonly start: EpochStart;
  /** Settled by the first try: whether it began. */
  readonly tried: PromiseWithResolvers<boolean>;
  waits: boolean;
}

export interface LaneWriterOptions {
  readonly sealer: ChainSealer;
  readonly settings: LaneSettings;
  readonly losses: LossBook;
  readonly clock: Clock;
  readonly clockQuality: ClockQualitySource;
  readonly log: Log;
  /** Runs the callback after the datagrams that are waiting now were read. */
  readonly defer: (callback: () => void) => void;
  readonly makeRoom: MakeRoom;
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
  readonly sealer: ChainSealer;
  readonly room: RoomBargain;
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
  readonly #options: LaneWriterOptions;
  readonly #batchClock: BatchClock;
  #due: DueEpoch | undefined;
  #open: OpenBatch;
  #closed: OpenBatch[] = [];
  #writing = false;
  #pumpDeferred = false;
  #linger: Timer | undefined;
  #refusingUntilUs: number | undefined;
  /** There was no room for a batch that says only what was lost: it waits for some, or for frames. */
  #owedWaits = false;
  #idle: PromiseWithResolvers<void>[] = [];
  /** Why this lane writes no more: what is on disk is unknown. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LaneWriterOptions) {
    const { sealer, settings, losses, clock, clockQuality, makeRoom, takeBatch } = options;
    this.#options = options;
    this.sealer = sealer;
    this.settings = settings;
    this.room = new RoomBargain({ sealer, losses, makeRoom, wake: () => this.#pump() });
    this.#batchClock = new BatchClock(clock, clockQuality);
    this.#open = takeBatch();
  }

  get closedBatches(): number {
    return this.#closed.length;
  }

  /** What there was no room in, if the last that was tried found none; undefined as soon as something fits. */
  get shortage(): Shortage["cause"] | undefined {
    return this.#refusingUntilUs === undefined ? undefined : this.room.shortage;
  }

  /** Whether frames are refused untried. */
  get #refuses(): boolean {
    return this.#refusingUntilUs !== undefined && this.#options.clock.monotonicUs() < this.#refusingUntilUs;
  }

  /** Whether a batch has to be written though no frame waits. */
  get #mustSay(): boolean {
    return this.room.asked || (this.room.owing && !this.#owedWaits);
  }

  submit(frame: IncomingFrame, committed: Committed | undefined): Pressure | undefined {
    if (this.#refuses) {
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

  /**
   * Ends the chain: everything that is not sealed yet goes into the next epoch, and where there is no room for that
   * one, it waits or is refused until there is. Resolves with whether the epoch began at once; false also when another
   * one is due already.
   */
  async beginEpoch(start: EpochStart): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#due !== undefined) return false;
    const tried = Promise.withResolvers<boolean>();
    this.#due = { start, tried, waits: false };
    this.#pump();
    return tried.promise;
  }

  /** Ends the refusal: there is room again. */
  roomFreed(): void {
    if (this.#refusingUntilUs === undefined && !this.#owedWaits) return;
    if (this.#refusingUntilUs !== undefined) {
      this.#options.log.info("store-room", { lane: laneName(this.sealer.chain.lane) });
    }
    this.#refusingUntilUs = undefined;
    this.#owedWaits = false;
    this.#pump();
  }

  /** Gives up damaged payloads and resolves when the chain says so; false when there was no room for that now. */
  quarantine(lost: PlannedEviction): Promise<boolean> {
    this.#owedWaits = false;
    return this.room.quarantine(lost);
  }

  /** Writes what is open; resolves when everything accepted is durable or was refused. Rejects after a failed write. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const idle = Promise.withResolvers<void>();
    this.#idle.push(idle);
    if (!this.#open.empty) this.#open.due = true;
    this.#pump();
    return idle.promise;
  }

  #begin(receivedUs: number): void {
    const step = this.#batchClock.begin(this.#open, receivedUs);
    if (step === undefined) return;
    this.#open.addOwn({ kind: "clock-step", ...step });
    const { lane } = this.sealer.chain;
    this.#options.log.warn("clock-step", { lane: laneName(lane), ...step, quality: this.#open.clock });
  }

  #close(): void {
    this.#closed.push(this.#takeOpen());
    this.#pumpSoon();
  }

  #takeOpen(): OpenBatch {
    this.#linger?.cancel();
    this.#linger = undefined;
    const batch = this.#open;
    this.#open = this.#options.takeBatch();
    return batch;
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
    if (this.#writing || this.#failure !== undefined) return;
    const due = this.#due;
    // While an epoch is due and there is no room for it, nothing is accepted and nothing at all goes on the old one.
    const held = due !== undefined && this.#refuses && !this.#mustSay;
    if (due !== undefined && !held) {
      this.#writing = true;
      void this.#run(this.#firstBatch(due.start), due);
      return;
    }
    const batch = held ? undefined : this.#nextBatch();
    if (batch === undefined) {
      if (this.#open.empty) for (const { resolve } of this.#idle.splice(0)) resolve();
      return;
    }
    this.#writing = true;
    void this.#run(batch);
  }

  #nextBatch(): OpenBatch | undefined {
    const closed = this.#closed.shift();
    if (closed !== undefined) return closed;
    if (!this.#mustSay && (this.#open.empty || !this.#open.due)) return undefined;
    if (this.#open.empty) this.#begin(this.#options.clock.monotonicUs());
    return this.#takeOpen();
  }

  /** The first batch of an epoch says why it begins, and nothing else. */
  #firstBatch({ reason, previousEpoch, lastSeq }: EpochStart): OpenBatch {
    const batch = this.#options.takeBatch();
    const step = this.#batchClock.begin(batch, this.#options.clock.monotonicUs());
    batch.addOwn({ kind: "epoch-change", reason, previousEpoch, lastSeq });
    if (step !== undefined) batch.addOwn({ kind: "clock-step", ...step });
    return batch;
  }

  async #run(batch: OpenBatch, due?: DueEpoch): Promise<void> {
    let plan: LossPlan | undefined;
    try {
      plan = await this.room.write(batch, due?.start);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (plan !== undefined) this.#stored(batch, plan);
    const done = plan === undefined ? [batch, ...this.#refuse(batch, due)] : [batch];
    if (due !== undefined) this.#settleEpoch(due, plan !== undefined);
    this.#writing = false;
    // The next write first: the disk works while the answers go out.
    this.#pump();
    for (const each of done) {
      for (const committed of each.committed) committed(plan === undefined ? STORE_FULL : undefined);
      each.reset();
      this.#options.giveBack(each);
    }
  }

  #stored(batch: OpenBatch, { evictions, owed }: LossPlan): void {
    const { clock, log, sealed } = this.#options;
    this.counters.committedFrames += batch.frames;
    this.counters.committedRecords += batch.count;
    this.counters.committedBatches++;
    this.counters.committedBytes += batch.payload.length;
    for (const { chain, seqs, records, bytes } of evictions) {
      this.counters.evictedRecords += records;
      this.counters.evictedBytes += bytes;
      log.warn("evicted", { lane: laneName(chain.lane), epoch: chain.epoch, seqs, records, bytes });
    }
    for (const { losses } of owed) {
      for (const { reason, epoch, ranges: seqs, records, bytes } of losses) {
        log.error("loss-told", { lane: laneName(this.sealer.chain.lane), epoch, reason, seqs, records, bytes });
      }
    }
    this.roomFreed();
    sealed(this.sealer.chain, this.sealer.head!.seq, clock.monotonicUs() - batch.monotonicUs);
  }

  #settleEpoch(due: DueEpoch, begun: boolean): void {
    const { log } = this.#options;
    const { lane, epoch } = this.sealer.chain;
    const { reason, lastSeq } = due.start;
    if (begun) {
      this.#due = undefined;
      log.warn("epoch-change", { lane: laneName(lane), epoch, reason, lastSeq });
    } else if (!due.waits) {
      due.waits = true;
      log.warn("epoch-not-changed", { lane: laneName(lane), epoch, reason });
    }
    due.tried.resolve(begun);
  }

  /** Begins to refuse, and takes out what must not be written after what was refused now. */
  #refuse(batch: OpenBatch, due: DueEpoch | undefined): OpenBatch[] {
    const dependents = this.#takeWaiting((waiting) => due !== undefined || (batch.hasStates && waiting.hasStates));
    const frames = [batch, ...dependents].reduce((sum, each) => sum + each.frames, 0);
    this.counters.refusedStoreFull += frames;
    this.#owedWaits = true;
    if (frames === 0 && due === undefined) return dependents;
    const { clock, log } = this.#options;
    if (this.#refusingUntilUs === undefined) {
      const { chain } = this.sealer;
      log.warn("store-full", { lane: laneName(chain.lane), policy: this.settings.pressure, refused: frames });
    }
    this.#refusingUntilUs = clock.monotonicUs() + RETRY_FULL_S * 1_000_000;
    return dependents;
  }

  /**
   * Takes out the waiting batches that depend on a refused one. Those with states were made in the belief that the
   * refused frames would be stored before; written, they would count these as taken, and after a restart a sensor would
   * be told so. And behind an epoch that did not begin nothing may be written at all.
   */
  #takeWaiting(depends: (waiting: OpenBatch) => boolean): OpenBatch[] {
    const dependents = this.#closed.filter(depends);
    this.#closed = this.#closed.filter((waiting) => !depends(waiting));
    if (!this.#open.empty && depends(this.#open)) dependents.push(this.#takeOpen());
    return dependents;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#options.fatal(error);
    this.room.fail(error);
    for (const { reject } of this.#idle.splice(0)) reject(error);
    this.#due?.tried.reject(error);
  }
}
