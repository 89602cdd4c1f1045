import type { Channel } from "../newest.ts";
import type { KnownReading, LastFilter } from "./last-values.ts";

/** Where an answer came from: the memory of the sinks' process, a Redis or a lake among the sinks, or the log itself. */
export const LAST_TIERS = ["memory", "redis", "lake", "log"] as const;
export type LastTier = (typeof LAST_TIERS)[number];

/** What the collector asks the process of its sinks. */
export interface LastAsk {
  readonly filter: LastFilter;
  /** Key behind which the page begins. */
  readonly after: string | null;
  readonly limit: number;
  /** Offset behind the newest record of the log. */
  readonly logEnd: number;
}

export interface LastAnswer {
  readonly values: readonly KnownReading[];
  readonly next: string | null;
  /** Undefined when no tier knows any. */
  readonly tier?: LastTier;
  /** Log offset up to which the memory has taken the log; null while it does not know. */
  readonly offset: number | null;
  /** Whether no other reading can be meant: all channels of the log up to there were looked at. */
  readonly isWhole: boolean;
  /** Too many look beyond the memory already: ask again. */
  readonly isBusy?: boolean;
  /** For people: what could not be asked, and where the look ended. */
  readonly notes: readonly string[];
}

/** The one channel that is meant, or undefined when several may be. */
export function channelOf({ gateway, source, name }: LastFilter): Channel | undefined {
  if (gateway === undefined || source === undefined || name === undefined || source.isPrefix || name.isPrefix) {
    return undefined;
  }
  return { gateway, source: source.text, name: name.text };
}
