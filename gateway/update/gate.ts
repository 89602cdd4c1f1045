/**
 * Whether a new release has proven itself. Pure: the same states, events and times give the same verdict.
 *
 * A receipt proves all of it: frames are taken, stored and sent, and a collector answers. Without one, what counts is
 * whether one could have come: a gateway whose cable is unplugged is not healed by an older release.
 */
export interface GateState {
  /** Of a clock that only goes forward, ms. */
  readonly startedMs: number;
  /** How long a receipt may take. */
  readonly withinMs: number;
  /** Whether the release before had a receipt within that time. */
  readonly hadReceipt: boolean;
  /** Whether the gateway has answered since. */
  readonly answered: boolean;
}

/**
 * What asking the gateway gave: seconds since its newest receipt, or null before the first one; `idle`: a session with the
 * collector is open, and nothing waits for a receipt.
 */
export type GateEvent =
  | { readonly kind: "answer"; readonly receiptS: number | null; readonly idle: boolean }
  | { readonly kind: "no-answer" };

export interface GateVerdict {
  readonly healthy: boolean;
  readonly reason: string;
}

export interface GateStart {
  readonly withinMs: number;
  /** What the release before said when it was last asked: seconds since its newest receipt; null: it had none. */
  readonly receiptBeforeS: number | null;
  readonly nowMs: number;
}

export function startGate({ withinMs, receiptBeforeS, nowMs }: GateStart): GateState {
  const hadReceipt = receiptBeforeS !== null && receiptBeforeS * 1000 <= withinMs;
  return { startedMs: nowMs, withinMs, hadReceipt, answered: false };
}

/** The next state, and the verdict once there is one. */
export function stepGate(
  state: GateState,
  event: GateEvent,
  nowMs: number,
): { readonly state: GateState; readonly verdict: GateVerdict | undefined } {
  const next = event.kind === "answer" ? { ...state, answered: true } : state;
  return { state: next, verdict: verdictOf(next, event, nowMs) };
}

function verdictOf(state: GateState, event: GateEvent, nowMs: number): GateVerdict | undefined {
  if (event.kind === "answer") {
    if (event.receiptS !== null) return { healthy: true, reason: "the collector sent a receipt" };
    if (!state.hadReceipt)
      return { healthy: true, reason: "the gateway runs; no receipt came, and none came to the release before either" };
  }
  if (nowMs - state.startedMs < state.withinMs) return undefined;
  // Sensors that send once an hour: the collector was reached, and there is nothing that it could confirm.
  if (event.kind === "answer" && event.idle)
    return { healthy: true, reason: "the collector is reached, and nothing waits for a receipt" };
  const within = `${Math.round(state.withinMs / 1000)} s`;
  const reason = state.answered
    ? `no receipt within ${within}, although the release before got some`
    : `the gateway did not answer within ${within}`;
  return { healthy: false, reason };
}
