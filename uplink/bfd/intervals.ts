import type { Random } from "@paddock/base/random.ts";

/** No system may send faster than this while a session is not Up (RFC 5880 §6.8.3). */
export const SLOW_INTERVAL_US = 1_000_000;

/** What a timer may be late by, as it counts in milliseconds. */
const TIMER_GRAIN_US = 1000;
/** From here on there is room for two grains: one for counting up to whole milliseconds, one for being late. */
const ROOMY_US = 20_000;

/** The fastest interval that leaves jitter room between its bounds (RFC 7419 has no faster one either). */
export const INTERVAL_MS_MIN = 10;

/**
 * The time to the next periodic packet, in microseconds: 75 to 100 % of the interval, or 75 to 90 % when one lost
 * packet already means Down, so that jitter alone never looks like a loss (RFC 5880 §6.8.7). It is a whole number of
 * milliseconds that leaves room for the timer's grain, so that the packet itself keeps to the bounds.
 */
export function jitteredUs(intervalUs: number, detectMult: number, random: Random): number {
  const most = detectMult === 1 ? 0.9 : 1;
  const first = Math.ceil((0.75 * intervalUs) / TIMER_GRAIN_US);
  const last = Math.floor((most * intervalUs) / TIMER_GRAIN_US) - (intervalUs < ROOMY_US ? 1 : 2);
  return (first + random.below(Math.max(1, last - first + 1))) * TIMER_GRAIN_US;
}

/** How long the sender may be stopped before its peer declares it down: all intervals but the one under way. */
export function stallBudgetUs(intervalUs: number, detectMult: number): number {
  return intervalUs * Math.max(1, detectMult - 1);
}
