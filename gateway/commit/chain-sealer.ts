import { PaddockError } from "@paddock/base/errors.ts";
import type { ChainId, Shortage } from "@paddock/store/types.ts";
import { headerHash, sealHeader, sha256 } from "@paddock/wire/batch-header.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import type { LossBook, LossPlan } from "./loss-book.ts";
import type { OpenBatch } from "./open-batch.ts";
import type { ChainEnd, CommitStore, EpochStart } from "./ports.ts";

export interface ChainSealerOptions {
  readonly identity: SigningIdentity;
  readonly store: CommitStore;
  readonly losses: LossBook;
  /** Boots of this machine so far. */
  readonly boot: number;
  /** The lane's newest epoch, and where it ends. */
  readonly chain: ChainId;
  readonly head: ChainEnd | undefined;
}

/** Where a lane's chain stands: seals its batches one after the other, each at the end of the one before. */
export class ChainSealer {
  readonly #identity: SigningIdentity;
  readonly #store: CommitStore;
  readonly #losses: LossBook;
  readonly #boot: number;
  #chain: ChainId;
  #head: ChainEnd | undefined;

  constructor({ identity, store, losses, boot, chain, head }: ChainSealerOptions) {
    this.#identity = identity;
    this.#store = store;
    this.#losses = losses;
    this.#boot = boot;
    this.#chain = chain;
    this.#head = head;
  }

  get chain(): ChainId {
    return this.#chain;
  }

  get head(): ChainEnd | undefined {
    return this.#head;
  }

  /** The chains of this lane, the oldest epoch first: the order in which payloads are given up. */
  chains(): ChainId[] {
    return Array.from({ length: this.#chain.epoch + 1 }, (_, epoch) => ({ ...this.#chain, epoch }));
  }

  /**
   * Seals the batch and makes it durable together with what is given up: at the end of the chain, or as the first of the
   * epoch that `start` begins, which is the lane's from then on. Anything but "stored" changed nothing: `stale` when a
   * receipt acknowledged meanwhile what was to be given up. Throws PaddockError for whatever else goes wrong, all fatal.
   */
  async append(batch: OpenBatch, plan: LossPlan, start?: EpochStart): Promise<"stored" | "stale" | Shortage> {
    const chain = start === undefined ? this.#chain : { ...this.#chain, epoch: this.#epochAfter(start) };
    const head = start === undefined ? this.#head : undefined;
    const { payload } = batch;
    const { lane, epoch } = chain;
    const position = {
      lane,
      epoch,
      seq: head === undefined ? 0 : head.seq + 1,
      previous: start?.previous ?? head?.hash ?? null,
      count: batch.count,
      size: payload.length,
      boot: this.#boot,
      monotonic: batch.monotonicUs,
      wall: batch.wallMs,
      clock: batch.clock,
    };
    const payloadHash = sha256(payload);
    const header = sealHeader(this.#identity, position, payloadHash);
    const hash = headerHash(header);
    const decoded = { gateway: this.#identity.id, position, payloadHash };
    const outcome = await this.#store.append({
      chain,
      batches: [{ header, payload, decoded, hash }],
      side: [...batch.sideOf(lane), ...this.#losses.entries(plan, epoch, position.seq)],
      evict: plan.evict,
      settles: plan.settles,
    });
    if (!outcome.ok) {
      if (outcome.shortage !== undefined) return outcome.shortage;
      if (outcome.reason === "acknowledged") return "stale";
      throw new PaddockError(
        "STORE_DAMAGED",
        `The store refuses batch ${position.seq} of lane ${laneName(lane)} (${outcome.reason}): ${outcome.detail}`,
      );
    }
    this.#chain = chain;
    this.#head = { seq: position.seq, hash };
    this.#losses.said(plan, epoch, position.seq);
    return "stored";
  }

  #epochAfter({ previousEpoch }: EpochStart): number {
    return Math.max(this.#chain.epoch, previousEpoch) + 1;
  }
}
