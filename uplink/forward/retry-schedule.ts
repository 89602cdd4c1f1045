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
 * The state after one more failure; its `delayMs` is how long to wait now. The ceiling doubles from `firstMs` to `capMs`
 * and the delay is drawn evenly from its upper half, so that gateways that failed together do not come back together.
 */
export function afterFailure(state: RetryState, bounds: RetryBounds, random: Random): RetryState {
  const ceilingMs = Math.min(bounds.capMs, bounds.firstMs * 2 ** Math.min(state.attempts, 40));
  return { attempts: state.attempts + 1, delayMs: Math.round(ceilingMs * (0.5 + random.float() / 2)) };
}
