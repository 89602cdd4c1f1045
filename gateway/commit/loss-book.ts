import { contains, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId, Duty, Eviction, SideEntry } from "@paddock/store/types.ts";
import { laneName, type Lane } from "@paddock/wire/lanes.ts";
import { decodeLosses, encodeLosses, fitOneBatch, lossOf, mergeLosses, type Loss } from "./losses.ts";
import type { CommitStore } from "./ports.ts";

/** The prefix of the side entries: `loss:<lane>/<epoch>/<seq>` holds what the batch of that place says of losses. */
export const LOSS_PREFIX = "loss:";
/** Entries of acknowledged batches that one write clears away. */
const CLEARED_MAX = 64;

/** What one write gives up and says. */
export interface LossPlan {
  /** Of this plan's own making, for counters and log. */
  readonly evictions: readonly PlannedEviction[];
  readonly evict: readonly Eviction[];
  readonly losses: readonly Loss[];
  readonly settles: readonly Duty[];
  /** What this write says because it was owed. */
  readonly owed: readonly Owed[];
  /** Side entries that are of no use after it. */
  readonly cleared: readonly string[];
}

/** A loss that no batch says, or none that is still here: the next write has to. */
interface Owed {
  readonly losses: readonly Loss[];
  /** Damaged payloads that go with it. */
  readonly evict: readonly PlannedEviction[];
  readonly settles: readonly Duty[];
  readonly cleared: readonly string[];
}

/** A write that gives nothing up and has nothing to say. */
export const NO_LOSS: LossPlan = { evictions: [], evict: [], losses: [], settles: [], owed: [], cleared: [] };

export interface LossBookOptions {
  readonly store: CommitStore;
  /** SHA-256 of the gateway's public key. */
  readonly gateway: Uint8Array;
  readonly lane: Lane;
  /** The store's side entries under LOSS_PREFIX. */
  readonly saved: ReadonlyMap<string, Uint8Array>;
}

interface Statement {
  readonly epoch: number;
  readonly seq: number;
  readonly losses: readonly Loss[];
}

/**
 * What the chains of one lane have to say of lost payloads, until a receipt acknowledged the batch that says it: when
 * that batch is given up itself, what it said is said again, in the same write. Durable beside the batches.
 */
export class LossBook {
  readonly #store: CommitStore;
  readonly #gateway: Uint8Array;
  readonly #lane: Lane;
  /** By side entry. */
  readonly #statements = new Map<string, Statement>();
  #owed: Owed[] = [];
  #waiting: { readonly owed: Owed; readonly tried: PromiseWithResolvers<boolean> }[] = [];
  /** Seqs by epoch whose losses fit no other batch any more: they stay until they are acknowledged. */
  readonly #spared = new Map<number, Ranges>();

  constructor({ store, gateway, lane, saved }: LossBookOptions) {
    this.#store = store;
    this.#gateway = gateway;
    this.#lane = lane;
    const prefix = `${LOSS_PREFIX}${laneName(lane)}/`;
    for (const [key, value] of saved) {
      const losses = key.startsWith(prefix) ? decodeLosses(value) : undefined;
      const [epoch = Number.NaN, seq = Number.NaN] = key.slice(prefix.length).split("/").map(Number);
      if (losses !== undefined) this.#restore(key, { epoch, seq, losses });
    }
    for (const duty of store.duties()) {
      if (duty.kind !== "loss" || duty.chain.lane !== lane) continue;
      this.#owed.push({ losses: [lossOf(duty, "quarantined")], evict: [], settles: [duty], cleared: [] });
    }
  }

  /** Whether something must be said that no batch says. */
  get owing(): boolean {
    return this.#owed.length > 0;
  }

  /** Gives up payloads that are damaged. False when there was no room to say so: then the next write has to. */
  async quarantine(lost: PlannedEviction): Promise<boolean> {
    const { evicted = [], acknowledged = [] } = this.#store.chain(lost.chain) ?? {};
    let owed = this.#owed.find(({ losses }) =>
      losses.some(({ epoch, ranges }) => epoch === lost.chain.epoch && subtract(lost.seqs, ranges).length === 0),
    );
    if (owed === undefined) {
      if (subtract(subtract(lost.seqs, evicted), acknowledged).length === 0) return true;
      owed = { losses: [lossOf(lost, "quarantined")], evict: [lost], settles: [], cleared: [] };
      this.#owed.push(owed);
    }
    const tried = Promise.withResolvers<boolean>();
    this.#waiting.push({ owed, tried });
    return tried.promise;
  }

  /**
   * What the next write gives up of `chains`, so that `bytes` are freed, and says: that, what it owes, and what the
   * batches said that it gives up. A batch whose losses do not fit beside others stands where eviction cannot reach.
   */
  async plan(chains: readonly ChainId[], bytes: number): Promise<LossPlan> {
    this.#forgetAcknowledged();
    const owed = this.#fitting(this.#owed);
    if (bytes === 0) return this.#planOf([], owed);
    for (let wanted = bytes; ;) {
      const evictions = await this.#store.evictPlan(chains, wanted, (chain) => this.#keptIn(chain));
      for (const also of [owed, []]) {
        const plan = this.#planOf(evictions, also);
        if (fitOneBatch(plan.losses)) return plan;
      }
      if (wanted > 1) {
        wanted = Math.floor(wanted / 2);
        continue;
      }
      for (const { chain, seqs } of evictions) {
        this.#spared.set(chain.epoch, union(this.#spared.get(chain.epoch) ?? [], seqs));
      }
      wanted = bytes;
    }
  }

  /** What becomes durable with a batch at `epoch` and `seq` that says the plan's losses. */
  entries({ losses, cleared }: LossPlan, epoch: number, seq: number): SideEntry[] {
    const entries: SideEntry[] = cleared.map((key) => ({ key, value: null }));
    if (losses.length > 0) entries.push({ key: this.#keyOf(epoch, seq), value: encodeLosses(losses) });
    return entries;
  }

  /** That batch is durable. */
  said({ losses, cleared, owed }: LossPlan, epoch: number, seq: number): void {
    for (const key of cleared) this.#statements.delete(key);
    if (losses.length > 0) this.#statements.set(this.#keyOf(epoch, seq), { epoch, seq, losses });
    if (owed.length === 0) return;
    this.#owed = this.#owed.filter((each) => !owed.includes(each));
    this.#answer((each) => (owed.includes(each) ? true : undefined));
  }

  /** A write found no room. */
  notSaid(): void {
    this.#answer(() => false);
  }

  /** The lane writes no more. */
  fail(error: unknown): void {
    for (const { tried } of this.#waiting.splice(0)) tried.reject(error);
  }

  /** What a receipt names is not lost. */
  #forgetAcknowledged(): void {
    const isLost = ({ chain, seqs }: PlannedEviction): boolean =>
      subtract(seqs, this.#store.chain(chain)?.acknowledged ?? []).length > 0;
    const lost = this.#owed.filter(({ evict }) => evict.length === 0 || evict.some(isLost));
    if (lost.length === this.#owed.length) return;
    this.#owed = lost;
    this.#answer((owed) => (lost.includes(owed) ? undefined : true));
  }

  #keptIn({ epoch }: ChainId): Ranges {
    const damaged = this.#owed.flatMap(({ evict }) => evict.filter(({ chain }) => chain.epoch === epoch));
    return damaged.reduce((kept, { seqs }) => union(kept, seqs), this.#spared.get(epoch) ?? []);
  }

  #answer(answerOf: (owed: Owed) => boolean | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ owed }) => answerOf(owed) === undefined);
    for (const { owed, tried } of waiting) {
      const answer = answerOf(owed);
      if (answer !== undefined) tried.resolve(answer);
    }
  }

  /** A batch that said something may be gone: rolled back, given up by a repair. */
  #restore(key: string, statement: Statement): void {
    const { epoch, seq, losses } = statement;
    const { held = [], evicted = [], acknowledged = [] } = this.#store.chain(this.#chainOf(epoch)) ?? {};
    if (contains(acknowledged, seq) || (contains(held, seq) && !contains(evicted, seq))) {
      this.#statements.set(key, statement);
    } else {
      this.#owed.push({ losses, evict: [], settles: [], cleared: [key] });
    }
  }

  #planOf(evictions: readonly PlannedEviction[], owed: readonly Owed[]): LossPlan {
    const again = this.#saidBy([...evictions, ...owed.flatMap(({ evict }) => evict)]);
    const losses = mergeLosses([
      ...evictions.map((eviction) => lossOf(eviction, "evicted")),
      ...owed.flatMap((each) => each.losses),
      ...again.flatMap(([, statement]) => statement.losses),
    ]);
    const cleared = [...again.map(([key]) => key), ...owed.flatMap((each) => each.cleared)];
    return {
      evictions,
      evict: [...evictions, ...owed.flatMap(({ evict }) => evict)],
      losses,
      settles: owed.flatMap(({ settles }) => settles),
      owed,
      cleared: losses.length === 0 ? cleared : [...cleared, ...this.#acknowledged()],
    };
  }

  /** The first of what is owed, as far as one batch can say it; at least one, whose ranges the store bounds. */
  #fitting(owed: readonly Owed[]): Owed[] {
    const fitting: Owed[] = [];
    for (const each of owed) {
      const plan = this.#planOf([], [...fitting, each]);
      if (fitting.length > 0 && !fitOneBatch(plan.losses)) break;
      fitting.push(each);
    }
    return fitting;
  }

  #saidBy(evicted: readonly Eviction[]): [string, Statement][] {
    return [...this.#statements].filter(([, { epoch, seq }]) =>
      evicted.some(({ chain, seqs }) => chain.epoch === epoch && contains(seqs, seq)),
    );
  }

  #acknowledged(): string[] {
    const keys: string[] = [];
    for (const [key, { epoch, seq }] of this.#statements) {
      if (keys.length >= CLEARED_MAX) break;
      if (contains(this.#store.chain(this.#chainOf(epoch))?.acknowledged ?? [], seq)) keys.push(key);
    }
    return keys;
  }

  #chainOf(epoch: number): ChainId {
    return { gateway: this.#gateway, lane: this.#lane, epoch };
  }

  #keyOf(epoch: number, seq: number): string {
    return `${LOSS_PREFIX}${laneName(this.#lane)}/${epoch}/${seq}`;
  }
}
