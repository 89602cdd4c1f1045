import type { Random } from "@paddock/base/random.ts";

/** Bounds of a back-off, in ms. */
export interface RetryBounds {
  readonly firstMs: number;
  readonly capMs: number;
}

/** Where a back-off stands. Plain data, so that a state machine can carry it. */
export interface RetryState {
  /** Failures since the last success. */
  readonly attempts: number;
  /** The delay that was drawn last; 0 before the first failure. */
  readonly delayMs: number;
}

/** Before the first failure, and again after every success. */
export const RESTED: RetryState = { attempts: 0, delayMs: 0 };

/**
 * The state after one more failure; its `delayMs` is how long to wait now. Decorrelated jitter: each delay is drawn
 * evenly between `firstMs` and three times the last one, so that gateways that failed together do not come back together.
 */
export function afterFailure(state: RetryState, bounds: RetryBounds, random: Random): RetryState {
  const ceiling = Math.max(bounds.firstMs, Math.min(bounds.capMs, Math.max(state.delayMs, bounds.firstMs) * 3));
  const delayMs = Math.round(bounds.firstMs + random.float() * (ceiling - bounds.firstMs));
  return { attempts: state.attempts + 1, delayMs };
}
