import type { Lane } from "@paddock/wire/lanes.ts";
import type { MeteredPath } from "./path-config.ts";

/** What a metered path has used since its billing month began. */
export interface PathUsage {
  /** Unix ms at which the billing month of `bytes` began. */
  readonly monthStartMs: number;
  readonly bytes: number;
}

const EVERY_LANE: readonly Lane[] = [0, 1, 2];
const ALARM_ONLY: readonly Lane[] = [0];

/** The beginning of the billing month that holds `wallMs`, Unix ms, UTC. */
export function billingMonthStart(wallMs: number, billingDay: number): number {
  const date = new Date(wallMs);
  const thisMonth = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), billingDay);
  return thisMonth <= wallMs ? thisMonth : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, billingDay);
}

/** When the month after the one that began at `monthStartMs` begins, Unix ms, UTC. */
export function nextBillingMonth(monthStartMs: number): number {
  const date = new Date(monthStartMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate());
}

/**
 * Adds bytes to the usage. A new month starts the count again; a wall clock that goes back does not, as the budget
 * would come back with it.
 */
export function addUsage(usage: PathUsage, bytes: number, wallMs: number, metered: MeteredPath): PathUsage {
  const monthStartMs = billingMonthStart(wallMs, metered.billingDay);
  if (monthStartMs > usage.monthStartMs) return { monthStartMs, bytes };
  return { ...usage, bytes: usage.bytes + bytes };
}

export function budgetLeft(usage: PathUsage, metered: MeteredPath): number {
  return Math.max(0, metered.bytesPerMonth - usage.bytes);
}

/** Lanes that may use a path now. An alarm is worth the price of a plan that is used up. */
export function admittedLanes(metered: MeteredPath | undefined, usage: PathUsage): readonly Lane[] {
  if (metered === undefined) return EVERY_LANE;
  return budgetLeft(usage, metered) > 0 ? metered.lanes : ALARM_ONLY;
}
