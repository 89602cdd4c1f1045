import type { Lane } from "@paddock/wire/lanes.ts";
import type { MeteredPath } from "./path-config.ts";

/** What a metered path has used since its billing month began. */
export interface PathUsage {
  /** Unix ms at which the billing month of `bytes` began. */
  readonly monthStartMs: number;
  readonly bytes: number;
  /** What `bytes` was when the count of this month began; left out: 0. */
  readonly startedWith?: number;
  /** The month that was counted before this one, to which a clock that was wrong goes back. */
  readonly other?: { readonly monthStartMs: number; readonly bytes: number };
}

/** A wall clock before this was never set: it says nothing about months. */
const PLAUSIBLE_FROM_MS = Date.UTC(2025, 0, 1);

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
 * Adds bytes to the usage. A new month starts the count again. A month that lies before the present one means that the
 * clock was or is wrong: its count goes on where it was left, or with all that is counted, so that a clock that goes to
 * and fro gives no budget back, and one moment ahead takes none away. A clock that was never set begins no month.
 */
export function addUsage(usage: PathUsage, bytes: number, wallMs: number, metered: MeteredPath): PathUsage {
  const monthStartMs = billingMonthStart(wallMs, metered.billingDay);
  if (wallMs < PLAUSIBLE_FROM_MS || monthStartMs === usage.monthStartMs)
    return { ...usage, bytes: usage.bytes + bytes };
  if (usage.monthStartMs < PLAUSIBLE_FROM_MS) return { monthStartMs, bytes: usage.bytes + bytes };
  const { startedWith = 0, other } = usage;
  const carried = monthStartMs > usage.monthStartMs ? 0 : usage.bytes;
  const start = other?.monthStartMs === monthStartMs ? other.bytes + usage.bytes - startedWith : carried;
  return {
    monthStartMs,
    bytes: start + bytes,
    startedWith: start,
    other: { monthStartMs: usage.monthStartMs, bytes: usage.bytes },
  };
}

export function budgetLeft(usage: PathUsage, metered: MeteredPath): number {
  return Math.max(0, metered.bytesPerMonth - usage.bytes);
}

/** Lanes that may use a path now. An alarm is worth the price of a plan that is used up. */
export function admittedLanes(metered: MeteredPath | undefined, usage: PathUsage): readonly Lane[] {
  if (metered === undefined) return EVERY_LANE;
  return budgetLeft(usage, metered) > 0 ? metered.lanes : ALARM_ONLY;
}
