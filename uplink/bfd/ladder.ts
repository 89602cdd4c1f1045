import { stallBudgetUs } from "./intervals.ts";
import { sessionTimers } from "./session-spec.ts";
import type { HoldEvent } from "./speaker-events.ts";
import type { SpeakerSession } from "./speaker-session.ts";

/** The common intervals of RFC 7419 that a program can keep, and its interval for restarts, in microseconds. */
export const LADDER_US: readonly number[] = [10_000, 20_000, 50_000, 100_000, 1_000_000, 10_000_000];

/** A stall may use up this part of the budget; the rest is for the network. */
const USABLE_SHARE = 0.75;

/**
 * The transmission interval that a process with stalls of `worstStallUs` can keep: the configured one if its peer would
 * sit the stall out, else the next rung that has room for it. Only our own packets are at stake: what arrives during a
 * stall waits in the socket and is read before anything is declared.
 */
export function holdableIntervalUs(configuredUs: number, detectMult: number, worstStallUs: number): number {
  const fits = (intervalUs: number): boolean => stallBudgetUs(intervalUs, detectMult) * USABLE_SHARE >= worstStallUs;
  if (fits(configuredUs)) return configuredUs;
  const higher = LADDER_US.filter((rungUs) => rungUs > configuredUs);
  return higher.find((rungUs) => fits(rungUs)) ?? higher.at(-1) ?? configuredUs;
}

/** Seconds without a stall after which a relaxed session goes back to its configured interval. */
export const CALM_SECONDS = 60;

/** What to change about a session's interval, given the worst stall of the last `CALM_SECONDS`; undefined for nothing. */
export function holdChange(
  session: SpeakerSession,
  worstStallUs: number,
): Omit<HoldEvent, "name" | "owner" | "at"> | undefined {
  if (!session.spec.adaptive) return undefined;
  const { desiredMinTxUs, detectMult } = sessionTimers(session.spec);
  const fromMs = session.heldIntervalUs / 1000;
  const toMs = holdableIntervalUs(desiredMinTxUs, detectMult, worstStallUs) / 1000;
  if (toMs === fromMs) return undefined;
  const worstStallMs = worstStallUs / 1000;
  if (toMs < fromMs) {
    const detail = `No stall in ${CALM_SECONDS} s forbids ${toMs} ms.`;
    return { event: "restored", fromMs, toMs, worstStallMs, detail };
  }
  const stopped = `This process was stopped for ${Math.round(worstStallMs)} ms`;
  const detail = `${stopped}; give it FIFO or CPUWeight priority to hold ${fromMs} ms.`;
  return { event: "relaxed", fromMs, toMs, worstStallMs, detail };
}
