import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Channel } from "../newest.ts";
import { channelOf, type LastAnswer, type LastAsk, type LastTier } from "./ask.ts";
import { isTooLong, type KnownReading, type LastValues } from "./last-values.ts";

/** Where to look for what the memory does not have. */
export interface LookHints {
  /** What is meant stood in the log before this offset. */
  readonly before: number;
}

export interface FoundReading extends KnownReading {
  /** Log offset up to which the tier has seen the log from its start; null when it does not know. */
  readonly upTo: number | null;
}

/** What a tier found, and what is to be known of how it looked. */
export interface Look {
  readonly found?: FoundReading | undefined;
  readonly note?: string | undefined;
}

/** One that is asked when those before it have nothing. */
export interface LowerTier {
  readonly tier: LastTier;
  /** Longer than this nobody waits for it. */
  readonly waitMs: number;
  find(channel: Channel, hints: LookHints): Promise<Look>;
  close(): void;
}

export interface TiersOptions {
  readonly values: LastValues;
  /** Log offset up to which the memory has taken the log; undefined while it does not know. */
  readonly offset: () => number | undefined;
  /** In the order in which they are asked. */
  readonly tiers: readonly LowerTier[];
  readonly clock: Clock;
}

/** Looks beyond the memory that go on at once. */
const LOOKS_MAX = 4;
/** A memory that is so far behind the log's end still catches up. */
const BEHIND_MAX = 10_000;
/** A tier that failed is left alone for so long. */
const REST_MS = 5000;

/** Answers who asks for newest readings: from memory, and for one channel that it may have lost from the tiers below. */
export class LastTiers {
  readonly #options: TiersOptions;
  #looks = 0;
  readonly #resting = new Map<LastTier, { readonly why: string; readonly untilMs: number }>();

  constructor(options: TiersOptions) {
    this.#options = options;
  }

  async answer(ask: LastAsk): Promise<LastAnswer> {
    const { values } = this.#options;
    const offset = this.#options.offset() ?? null;
    const page = values.list(ask.filter, ask.after, ask.limit);
    const channel = channelOf(ask.filter);
    const notes = channel === undefined && !values.isWhole ? [this.#lacks()] : [];
    const known = { offset, isWhole: values.isWhole, next: page.next, values: page.values, notes };
    if (page.values.length > 0) return { ...known, tier: "memory" };
    const isBehind = offset === null || ask.logEnd - offset > BEHIND_MAX;
    if (channel === undefined || (values.isWhole && !isBehind && !isTooLong(channel))) return known;
    if (this.#looks >= LOOKS_MAX) {
      return { ...known, isWhole: false, isBusy: true, notes: [`${LOOKS_MAX} readers look beyond the memory.`] };
    }
    const { since, evictedTo } = values.state;
    const before = isBehind || isTooLong(channel) ? ask.logEnd : Math.max(since, evictedTo);
    this.#looks++;
    try {
      return { ...known, ...(await this.#look(channel, { before })), isWhole: false };
    } finally {
      this.#looks--;
    }
  }

  /** What a list may lack. */
  #lacks(): string {
    const { since, evictions } = this.#options.values.state;
    return `memory: holds what the log says from offset ${since} on, of which ${evictions} readings gave way; ask for gateway, sensor and name to look further`;
  }

  close(): void {
    for (const tier of this.#options.tiers) tier.close();
  }

  async #look(channel: Channel, hints: LookHints): Promise<Pick<LastAnswer, "values" | "notes" | "tier">> {
    const { tiers, values } = this.#options;
    const notes: string[] = [];
    for (const tier of tiers) {
      const { found, note } = await this.#ask(tier, channel, hints);
      if (note !== undefined) notes.push(note);
      if (found === undefined) continue;
      const { reading, since, upTo } = found;
      if (upTo !== null) values.fill(reading, upTo);
      if (upTo !== null && upTo < hints.before) {
        notes.push(
          `${tier.tier}: has taken the log up to offset ${upTo}; a newer one may stand before ${hints.before}`,
        );
      }
      return { values: [{ reading, since }], tier: tier.tier, notes };
    }
    return { values: [], notes };
  }

  /** What a tier says, or why it says nothing: never throws, and takes no longer than it may. */
  async #ask(tier: LowerTier, channel: Channel, hints: LookHints): Promise<Look> {
    const { clock } = this.#options;
    const resting = this.#resting.get(tier.tier);
    if (resting !== undefined && this.#nowMs() < resting.untilMs) return { note: resting.why };
    const late = Promise.withResolvers<Look>();
    const timer = clock.after(tier.waitMs, () => {
      late.resolve(this.#rest(tier, `it did not answer within ${tier.waitMs} ms`));
    });
    const look = tier.find(channel, hints).catch((error: unknown) => this.#rest(tier, messageOf(error)));
    try {
      return await Promise.race([look, late.promise]);
    } finally {
      timer.cancel();
    }
  }

  #rest({ tier }: LowerTier, what: string): Look {
    const note = `${tier}: ${what}`;
    this.#resting.set(tier, { why: note, untilMs: this.#nowMs() + REST_MS });
    return { note };
  }

  #nowMs(): number {
    return this.#options.clock.monotonicUs() / 1000;
  }
}
