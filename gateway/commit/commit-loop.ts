import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { Shortage } from "@paddock/store/types.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { LANES, type Lane, type LaneName } from "@paddock/wire/lanes.ts";
import { HASH_BYTES } from "@paddock/wire/limits.ts";
import { ChainSealer } from "./chain-sealer.ts";
import type { Committed, FrameSink, IncomingFrame, Pressure } from "./frame-sink.ts";
import { LaneWriter, type LaneCounters } from "./lane-writer.ts";
import { LossBook } from "./loss-book.ts";
import type { ChainEnd, ClockQualitySource, CommitStore, EpochStart, LaneSettings } from "./ports.ts";
import { RoomMaker } from "./room-maker.ts";
import { SpareBatches } from "./spare-batches.ts";

/** Seconds that sensors are told to wait while the gateway restarts. */
const RETRY_STOPPING_S = 5;

const STOPPING: Pressure = { reason: "stopping", retryAfterS: RETRY_STOPPING_S };

export interface CommitLoopOptions {
  readonly identity: SigningIdentity;
  readonly store: CommitStore;
  readonly lanes: Readonly<Record<LaneName, LaneSettings>>;
  /** Lanes whose continuity was lost: they begin a new epoch instead of going on with the newest one stored. */
  readonly epochStarts?: Readonly<Partial<Record<LaneName, EpochStart>>>;
  /** What the chains say of losses: the store's side entries under LOSS_PREFIX. */
  readonly losses: ReadonlyMap<string, Uint8Array>;
  /** Payload bytes that one eviction frees at least, so that a full store does not write a loss record per batch. */
  readonly evictionBytesMin: number;
  /** Boots of this machine so far. */
  readonly boot: number;
  readonly clock: Clock;
  readonly clockQuality: ClockQualitySource;
  readonly log: Log;
  /** Runs the callback once the datagrams that are waiting now were read: `setImmediate`. */
  readonly defer: (callback: () => void) => void;
  /** Called at most once per failed write; what is on disk is then unknown and the process has to end. */
  readonly fatal: (error: unknown) => void;
}

export interface LaneState extends LaneCounters {
  readonly lane: Lane;
  readonly epoch: number;
  readonly head: number | undefined;
  readonly closedBatches: number;
  /** What there is no room in for frames of this lane, as far as was tried; undefined when they are taken. */
  readonly shortage: Shortage["cause"] | undefined;
}

/** Seals accepted frames into the three chains of this gateway and makes them durable: one writer per lane. */
export class CommitLoop implements FrameSink {
  readonly #writers: readonly LaneWriter[];
  readonly #roomMaker: RoomMaker;
  readonly #epochStarts: CommitLoopOptions["epochStarts"];
  readonly #spare = new SpareBatches();
  readonly #sealedCallbacks: ((lane: Lane, epoch: number, seq: number, waitedUs: number) => void)[] = [];
  #stopping = false;

  constructor(options: CommitLoopOptions) {
    const { identity, store, evictionBytesMin } = options;
    this.#epochStarts = options.epochStarts;
    const writers: LaneWriter[] = [];
    this.#roomMaker = new RoomMaker({ store, writers, evictionBytesMin });
    for (const [index, name] of LANES.entries()) {
      const lane = index as Lane;
      const chain = { gateway: identity.id, lane, epoch: store.latestEpoch(identity.id, lane) ?? 0 };
      const losses = new LossBook({ store, gateway: identity.id, lane, saved: options.losses });
      const writer = new LaneWriter({
        ...options,
        sealer: new ChainSealer({ ...options, losses, chain, head: store.chain(chain)?.head }),
        losses,
        settings: options.lanes[name],
        makeRoom: (...asked) => this.#roomMaker.makeRoom(...asked),
        takeBatch: () => this.#spare.take(),
        giveBack: (batch) => this.#spare.giveBack(batch),
        sealed: ({ epoch }, seq, waitedUs) => {
          for (const callback of this.#sealedCallbacks) callback(lane, epoch, seq, waitedUs);
        },
      });
      writers.push(writer);
    }
    this.#writers = writers;
  }

  /**
   * Begins the new epochs and says what repairs took; to be awaited before the first frame. A lane that has no room for its epoch refuses until
   * there is. Rejects when a write failed.
   */
  async start(): Promise<void> {
    for (const [lane, name] of LANES.entries()) {
      const start = this.#epochStarts?.[name];
      const writer = this.#writers[lane]!;
      if (start !== undefined) await writer.beginEpoch(start);
      if (writer.room.owing) await writer.flush();
    }
  }

  submit(frame: IncomingFrame, committed?: Committed): Pressure | undefined {
    return this.#stopping ? STOPPING : this.#writers[frame.lane]!.submit(frame, committed);
  }

  /** Registers a callback for "a batch became durable"; `waitedUs` is how long its first frame waited for that. */
  onSealed(callback: (lane: Lane, epoch: number, seq: number, waitedUs: number) => void): void {
    this.#sealedCallbacks.push(callback);
  }

  /** To be called when a receipt let the store be trimmed. */
  roomFreed(): void {
    this.#roomMaker.roomFreed();
    for (const writer of this.#writers) writer.roomFreed();
  }

  /**
   * Goes on in a new epoch of the lane, if `epoch` is still its newest; `end` is the last header that the collector is
   * known to hold as well. False when nothing began at once.
   */
  async changeEpoch(lane: Lane, epoch: number, reason: string, end: ChainEnd | undefined): Promise<boolean> {
    const writer = this.#writers[lane]!;
    if (this.#stopping || writer.sealer.chain.epoch !== epoch) return false;
    const previous = end?.hash ?? Buffer.alloc(HASH_BYTES);
    return writer.beginEpoch({ reason, previousEpoch: epoch, lastSeq: end?.seq ?? null, previous });
  }

  /** Gives up damaged payloads of a lane; resolves when its chain says so, false when there was no room for that. */
  quarantine(lost: PlannedEviction): Promise<boolean> {
    return this.#writers[lost.chain.lane]!.quarantine(lost);
  }

  lanes(): LaneState[] {
    return this.#writers.map(({ counters, sealer, closedBatches, shortage }) => ({
      ...counters,
      lane: sealer.chain.lane,
      epoch: sealer.chain.epoch,
      head: sealer.head?.seq,
      closedBatches,
      shortage,
    }));
  }

  /**
   * Refuses new frames from now on; resolves when every accepted one is durable, or was refused for want of room.
   * Rejects when a write failed.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#writers.map((writer) => writer.flush()));
  }
}
