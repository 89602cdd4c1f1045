import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { GatewayRecord } from "@paddock/wire/gateway-record.ts";
import type { ChainSealer } from "./chain-sealer.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { CommitStore, EpochStart } from "./ports.ts";

/** A write that still finds no room after this many rounds of making some is refused. */
const ROOM_ROUNDS_MAX = 8;

export interface RoomBargainOptions {
  readonly sealer: ChainSealer;
  readonly store: CommitStore;
  /** Frees at least `bytes` if it can: resolves with what to evict in the same write, `freed` (try again) or `none`. */
  readonly makeRoom: (asking: RoomBargain, bytes: number) => Promise<readonly PlannedEviction[] | "freed" | "none">;
  /** Somebody asks for room: there is something to write, even when no frame waits. */
  readonly wake: () => void;
}

interface Demand extends PromiseWithResolvers<boolean> {
  readonly bytes: number;
}

/** How a lane gets its batches into a store that may be full: from its own old payloads, or from other lanes', which ask in turn. */
export class RoomBargain {
  readonly #options: RoomBargainOptions;
  readonly #demands: Demand[] = [];
  #asking = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: RoomBargainOptions) {
    this.#options = options;
  }

  /** Whether another lane waits for this one to give something up. */
  get asked(): boolean {
    return this.#demands.length > 0;
  }

  /** Gives up `bytes` of this lane's oldest payloads with its next write, which happens at once. False: nothing left. */
  async evict(bytes: number): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#asking) return false;
    const demand: Demand = { bytes, ...Promise.withResolvers<boolean>() };
    this.#demands.push(demand);
    this.#options.wake();
    return demand.promise;
  }

  /**
   * Asks another lane for room. Meanwhile this lane, which has nothing of its own to give, answers no to the others, so
   * that two lanes never wait for each other.
   */
  async askOther(other: RoomBargain, bytes: number): Promise<boolean> {
    this.#asking = true;
    for (const demand of this.#demands.splice(0)) demand.resolve(false);
    try {
      return await other.evict(bytes);
    } finally {
      this.#asking = false;
    }
  }

  /**
   * Writes the batch, as the first of a new epoch if `start` says so, and makes the room that it and those who asked
   * need. Resolves with what was evicted for it, or with undefined when there is no room and nothing was written.
   */
  async write(batch: OpenBatch, start?: EpochStart): Promise<readonly PlannedEviction[] | undefined> {
    const demands = this.#demands.splice(0);
    try {
      const evictions = await this.#write(batch, demands, start);
      for (const demand of demands) demand.resolve(evictions !== undefined && evictions.length > 0);
      return evictions;
    } catch (error) {
      for (const demand of demands) demand.reject(error);
      throw error;
    }
  }

  /** This lane writes no more: nobody waits for it. */
  fail(error: unknown): void {
    this.#failure = { error };
    for (const demand of this.#demands.splice(0)) demand.reject(error);
  }

  async #write(
    batch: OpenBatch,
    demands: Demand[],
    start: EpochStart | undefined,
  ): Promise<readonly PlannedEviction[] | undefined> {
    const { sealer, store, makeRoom } = this.#options;
    let demanded = sumOf(demands);
    let evictions: readonly PlannedEviction[] = [];
    if (demanded > 0) {
      evictions = await store.evictPlan(sealer.chains(), demanded);
      batch.setLoss(evictions.map(lossRecord));
    }
    for (let round = 0; round < ROOM_ROUNDS_MAX && !batch.empty; round++) {
      if (await sealer.append(batch, evictions, start)) return evictions;
      const more = this.#demands.splice(0);
      demands.push(...more);
      demanded += sumOf(more);
      const room = await makeRoom(this, demanded + batch.payload.length * (round + 1));
      if (room === "none") break;
      if (room === "freed") continue;
      evictions = room;
      batch.setLoss(room.map(lossRecord));
    }
    return undefined;
  }
}

function sumOf(demands: readonly Demand[]): number {
  return demands.reduce((sum, demand) => sum + demand.bytes, 0);
}

function lossRecord({ chain, seqs, records, bytes }: PlannedEviction): GatewayRecord {
  return { kind: "loss", reason: "evicted", epoch: chain.epoch, ranges: seqs, records, bytes };
}
