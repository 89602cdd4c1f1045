import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId } from "@paddock/store/types.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { LANES, type Lane, type LaneName } from "@paddock/wire/lanes.ts";
import type { Committed, FrameSink, IncomingFrame, Pressure } from "../ingest/frame-sink.ts";
import { LaneWriter, type ChainEnd, type LaneCounters } from "./lane-writer.ts";
import { OpenBatch } from "./open-batch.ts";
import type { ClockQualitySource, CommitStore, EpochStart, LaneSettings } from "./ports.ts";
import { victims } from "./room.ts";

/** Batches kept for reuse; the three lanes at rest use three more. */
const SPARE_BATCHES_MAX = 6;
/** Seconds that sensors are told to wait while the gateway restarts. */
const RETRY_STOPPING_S = 5;

const STOPPING: Pressure = { reason: "stopping", retryAfterS: RETRY_STOPPING_S };

export interface CommitLoopOptions {
  readonly identity: SigningIdentity;
  readonly store: CommitStore;
  readonly lanes: Readonly<Record<LaneName, LaneSettings>>;
  /** Lanes whose continuity was lost: they begin a new epoch instead of going on with the newest one stored. */
  readonly epochStarts?: Readonly<Partial<Record<LaneName, EpochStart>>>;
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
  readonly full: boolean;
}

/** Seals accepted frames into the three chains of this gateway and makes them durable: one writer per lane. */
export class CommitLoop implements FrameSink {
  readonly #writers: readonly LaneWriter[];
  readonly #store: CommitStore;
  readonly #spare: OpenBatch[] = [];
  readonly #sealedCallbacks: ((lane: Lane, epoch: number, seq: number, waitedUs: number) => void)[] = [];
  readonly #evictionBytesMin: number;
  #stopping = false;

  constructor(options: CommitLoopOptions) {
    this.#store = options.store;
    this.#evictionBytesMin = options.evictionBytesMin;
    this.#writers = LANES.map((name, index) => {
      const epochStart = options.epochStarts?.[name];
      const chain = chainToWrite(options, index as Lane, epochStart);
      return new LaneWriter({
        ...options,
        chain,
        head: options.store.chain(chain)?.head,
        epochStart,
        settings: options.lanes[name],
        makeRoom: (writer, bytes) => this.#makeRoom(writer, bytes),
        takeBatch: () => this.#spare.pop() ?? new OpenBatch(),
        giveBack: (batch) => {
          if (this.#spare.length < SPARE_BATCHES_MAX) this.#spare.push(batch);
        },
        sealed: ({ lane, epoch }, seq, waitedUs) => {
          for (const callback of this.#sealedCallbacks) callback(lane, epoch, seq, waitedUs);
        },
      });
    });
  }

  /** Begins the new epochs; to be awaited before the first frame. */
  async start(): Promise<void> {
    for (const writer of this.#writers) await writer.beginEpoch();
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
    for (const writer of this.#writers) writer.roomFreed();
  }

  /**
   * Goes on in a new epoch of the lane, if `epoch` is still its newest; `end` is the last header that the collector is
   * known to hold as well. False when nothing began.
   */
  async changeEpoch(lane: Lane, epoch: number, reason: string, end: ChainEnd | undefined): Promise<boolean> {
    const writer = this.#writers[lane]!;
    if (this.#stopping || writer.chain.epoch !== epoch) return false;
    return writer.changeEpoch(reason, end);
  }

  lanes(): LaneState[] {
    return this.#writers.map((writer) => ({
      ...writer.counters,
      lane: writer.chain.lane,
      epoch: writer.chain.epoch,
      head: writer.head?.seq,
      closedBatches: writer.closedBatches,
      full: writer.full,
    }));
  }

  /** Refuses new frames from now on; resolves when every accepted one is durable, or was refused for want of room. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#writers.map((writer) => writer.flush()));
  }

  async #makeRoom(writer: LaneWriter, bytes: number): Promise<readonly PlannedEviction[] | "freed" | "none"> {
    if ((await this.#store.trim()) > 0) return "freed";
    const bytesByLane = this.#writers.map((other) =>
      other.evictionOrder().reduce((sum, chain) => sum + (this.#store.chain(chain)?.bytes ?? 0), 0),
    );
    const settings = this.#writers.map((other) => other.settings);
    const wanted = Math.max(bytes, this.#evictionBytesMin);
    for (const lane of victims(writer.chain.lane, bytesByLane, settings)) {
      const victim = this.#writers[lane]!;
      if (victim === writer) {
        const plan = await this.#store.evictPlan(writer.evictionOrder(), wanted);
        if (plan.length > 0) return plan;
      } else if (await writer.askOther(victim, wanted)) return "freed";
    }
    return "none";
  }
}

/** The lane's newest epoch, or the one behind it. */
function chainToWrite({ identity, store }: CommitLoopOptions, lane: Lane, start: EpochStart | undefined): ChainId {
  const stored = store.latestEpoch(identity.id, lane) ?? 0;
  const epoch = start === undefined ? stored : Math.max(stored, start.previousEpoch) + 1;
  return { gateway: identity.id, lane, epoch };
}
