/**
 * Route flap damping after RFC 2439 §4.2: every failure adds a fixed penalty, which decays exponentially. Above
 * `suppress` a path is not chosen by preference until the penalty has decayed below `reuse`.
 */
export interface FlapSettings {
  readonly perFlap: number;
  readonly suppress: number;
  readonly reuse: number;
  readonly ceiling: number;
  readonly halfLifeMs: number;
}

/**
 * RFC 2439 leaves the values to the operator; these suppress at the third failure when the last two follow within some
 * five minutes of each other: evenly spaced ones must fall within 168 s, as each penalty decays meanwhile.
 */
export const FLAP_SETTINGS: FlapSettings = {
  perFlap: 1000,
  suppress: 2500,
  reuse: 1000,
  ceiling: 6000,
  halfLifeMs: 300_000,
};

export interface FlapState {
  /** The penalty at `atMs`. */
  readonly penalty: number;
  readonly atMs: number;
  readonly suppressed: boolean;
}

export const NO_FLAPS: FlapState = { penalty: 0, atMs: 0, suppressed: false };

export function penaltyAt(state: FlapState, nowMs: number, settings: FlapSettings): number {
  return state.penalty * 2 ** (-Math.max(0, nowMs - state.atMs) / settings.halfLifeMs);
}

/** Adds the penalty of one failure. */
export function addFlap(state: FlapState, nowMs: number, settings: FlapSettings): FlapState {
  const penalty = Math.min(settings.ceiling, penaltyAt(state, nowMs, settings) + settings.perFlap);
  return { penalty, atMs: nowMs, suppressed: state.suppressed || penalty > settings.suppress };
}

/** Lifts the suppression once the penalty has decayed to the reuse limit. */
export function settleFlaps(state: FlapState, nowMs: number, settings: FlapSettings): FlapState {
  if (!state.suppressed || nowMs < reuseAtMs(state, settings)) return state;
  return { penalty: penaltyAt(state, nowMs, settings), atMs: nowMs, suppressed: false };
}

/** When a suppressed path may be chosen by preference again. */
export function reuseAtMs(state: FlapState, settings: FlapSettings): number {
  if (state.penalty <= settings.reuse) return state.atMs;
  return Math.ceil(state.atMs + settings.halfLifeMs * Math.log2(state.penalty / settings.reuse));
}
