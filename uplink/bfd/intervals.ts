import type { Random } from "@paddock/base/random.ts";

/** No system may send faster than this while a session is not Up (RFC 5880 §6.8.3). */
export const SLOW_INTERVAL_US = 1_000_000;

/**
 * The time to the next periodic packet: 75 to 100 % of the interval, or 75 to 90 % when one lost packet already means
 * Down, so that jitter alone never looks like a loss (RFC 5880 §6.8.7).
 */
export function jitteredUs(intervalUs: number, detectMult: number, random: Random): number {
  const span = detectMult === 1 ? 0.15 : 0.25;
  return Math.round(intervalUs * (0.75 + span * random.float()));
}

/** How long the sender may be stopped before its peer declares it down: all intervals but the one under way. */
export function stallBudgetUs(intervalUs: number, detectMult: number): number {
  return intervalUs * Math.max(1, detectMult - 1);
}
