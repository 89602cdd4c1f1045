import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { Shortage } from "@paddock/store/types.ts";
import type { ChainSealer } from "./chain-sealer.ts";
import { NO_LOSS, type LossBook, type LossPlan } from "./loss-book.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { EpochStart } from "./ports.ts";

/** A write that still finds no room after this many rounds of making some is refused. */
const ROOM_ROUNDS_MAX = 8;

/**
 * Frees at least `bytes` of what there is a shortage of, if it can: resolves with what to give up in the same write,
 * `freed` (try again) or `none`.
 */
export type MakeRoom = (asking: RoomBargain, bytes: number, shortage: Shortage) => Promise<LossPlan | "freed" | "none">;

export interface RoomBargainOptions {
  readonly sealer: ChainSealer;
  readonly losses: LossBook;
  readonly makeRoom: MakeRoom;
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
  #shortage: Shortage["cause"] = "quota";
  #failure: { readonly error: unknown } | undefined;

  constructor(options: RoomBargainOptions) {
    this.#options = options;
  }

  /** What the last write that found no room found none in. */
  get shortage(): Shortage["cause"] {
    return this.#shortage;
  }

  /** Whether another lane waits for this one to give something up. */
  get asked(): boolean {
    return this.#demands.length > 0;
  }

  /** Whether a loss has to be said, by a batch without frames if there are none. */
  get owing(): boolean {
    return this.#options.losses.owing;
  }

  /** Gives up damaged payloads, and resolves when the chain says so; false when there was no room for that. */
  async quarantine(lost: PlannedEviction): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const said = this.#options.losses.quarantine(lost);
    this.#options.wake();
    return said;
  }

  /** What giving up `bytes` of this lane's oldest payloads takes. */
  planOf(bytes: number): Promise<LossPlan> {
    const { losses, sealer } = this.#options;
    return losses.plan(sealer.chains(), bytes);
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
   * need. Resolves with what was given up for it, or with undefined when there is no room and nothing was written.
   */
  async write(batch: OpenBatch, start?: EpochStart): Promise<LossPlan | undefined> {
    const demands = this.#demands.splice(0);
    try {
      const plan = await this.#write(batch, demands, start);
      if (plan === undefined) this.#options.losses.notSaid();
      for (const demand of demands) demand.resolve(plan !== undefined && plan.evictions.length > 0);
      return plan;
    } catch (error) {
      for (const demand of demands) demand.reject(error);
      throw error;
    }
  }

  /** This lane writes no more: nobody waits for it. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#options.losses.fail(error);
    for (const demand of this.#demands.splice(0)) demand.reject(error);
  }

  async #write(batch: OpenBatch, demands: Demand[], start: EpochStart | undefined): Promise<LossPlan | undefined> {
    const { sealer, makeRoom } = this.#options;
    let demanded = sumOf(demands);
    let plan = demanded > 0 || this.owing ? await this.planOf(demanded) : NO_LOSS;
    batch.setLoss(plan.losses);
    for (let round = 0; round < ROOM_ROUNDS_MAX && !batch.empty; round++) {
      const outcome = await sealer.append(batch, plan, start);
      if (outcome === "stored") return plan;
      if (outcome !== "stale") this.#shortage = outcome.cause;
      const more = this.#demands.splice(0);
      demands.push(...more);
      demanded += sumOf(more);
      const room =
        outcome === "stale"
          ? await this.planOf(demanded)
          : await makeRoom(this, demanded + batch.payload.length * (round + 1), outcome);
      if (room === "none") break;
      if (room === "freed") continue;
      plan = room;
      batch.setLoss(plan.losses);
    }
    return undefined;
  }
}

function sumOf(demands: readonly Demand[]): number {
  return demands.reduce((sum, demand) => sum + demand.bytes, 0);
}
