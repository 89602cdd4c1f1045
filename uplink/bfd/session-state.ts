import type { Random } from "@paddock/base/random.ts";
import type { BfdState } from "@paddock/wire/bfd-packet.ts";
import { SLOW_INTERVAL_US } from "./intervals.ts";

/** What a BFD session knows, and what can be read from that alone; session.ts steps it. */

/** What an operator sets, in microseconds. `change` replaces it while the session runs. */
export interface SessionTimers {
  readonly desiredMinTxUs: number;
  /** At least 1: asking for no packets at all (0) would leave nothing to detect with. */
  readonly requiredMinRxUs: number;
  /** 1 to 255. */
  readonly detectMult: number;
}

/** What the last valid packets of the peer said. */
export interface RemoteView {
  /** 0 while unknown. */
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly demand: boolean;
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
  readonly detectMult: number;
}

export interface SessionState {
  readonly timers: SessionTimers;
  /** Nonzero, unique on this machine. The peer may by chance use the same one. */
  readonly discriminator: number;
  /** A passive end stays silent until it hears from its peer (RFC 5880 §6.1). */
  readonly passive: boolean;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly remote: RemoteView;
  /** The transmission interval kept to. It trails an increase until the peer's Final (RFC 5880 §6.8.3). */
  readonly paceUs: number;
  /** The receive interval that detection counts with. It trails a decrease until the peer's Final. */
  readonly expectUs: number;
  /** `queued`: parameters changed during a poll; one packet without P goes out, then the next poll begins. */
  readonly poll: "idle" | "active" | "active-changed" | "queued";
  readonly lastReceivedUs: number | undefined;
  readonly lastSentUs: number | undefined;
  /** When the next periodic packet is due; undefined while none may be sent. */
  readonly transmitAtUs: number | undefined;
  /** The interval `transmitAtUs` was drawn from. */
  readonly plannedIntervalUs: number | undefined;
  /** When silence began to count: the last valid packet; undefined while the peer is unknown. */
  readonly silentSinceUs: number | undefined;
  /** When silence has lasted for the detection time; undefined while nothing is expected. */
  readonly detectAtUs: number | undefined;
}

/** A state on its way to the next one. */
export type SessionDraft = { -readonly [Key in keyof SessionState]: SessionState[Key] };

/** What is known of a peer before its first packet. */
export const NOBODY: RemoteView = {
  discriminator: 0,
  state: "down",
  diagnostic: 0,
  demand: false,
  desiredMinTxUs: SLOW_INTERVAL_US,
  // RFC 5880 §6.8.1: one microsecond, so that our own interval decides until the peer says otherwise.
  requiredMinRxUs: 1,
  detectMult: 1,
};

export interface SessionOptions extends SessionTimers {
  readonly discriminator: number;
  readonly passive?: boolean;
}

/** A session in Down whose first packet is due within a second, at a random moment, so that many do not start as one. */
export function startSession(options: SessionOptions, nowUs: number, random: Random): SessionState {
  const { discriminator, passive = false, desiredMinTxUs, requiredMinRxUs, detectMult } = options;
  const state: SessionState = {
    timers: { desiredMinTxUs, requiredMinRxUs, detectMult },
    discriminator,
    passive,
    state: "down",
    diagnostic: 0,
    remote: NOBODY,
    paceUs: Math.max(SLOW_INTERVAL_US, desiredMinTxUs),
    expectUs: requiredMinRxUs,
    poll: "idle",
    lastReceivedUs: undefined,
    lastSentUs: undefined,
    transmitAtUs: undefined,
    plannedIntervalUs: undefined,
    silentSinceUs: undefined,
    detectAtUs: undefined,
  };
  if (passive) return state;
  return {
    ...state,
    transmitAtUs: nowUs + Math.round(SLOW_INTERVAL_US * random.float()),
    plannedIntervalUs: transmitIntervalUs(state),
  };
}

/** The interval between our periodic packets before jitter (RFC 5880 §6.8.7). */
export function transmitIntervalUs(state: SessionState): number {
  return Math.max(state.paceUs, state.remote.requiredMinRxUs);
}

/** The longest time that the peer leaves between two packets, before loss (RFC 5880 §6.8.4). */
export function receiveIntervalUs(state: SessionState): number {
  return Math.max(state.expectUs, state.remote.desiredMinTxUs);
}

/** Silence of the peer that means Down (RFC 5880 §6.8.4, asynchronous mode). */
export function detectionTimeUs(state: SessionState): number {
  return state.remote.detectMult * receiveIntervalUs(state);
}

/** When `step` wants its next `tick`, or undefined if only an event can change anything. */
export function wakeAtUs(state: SessionState): number | undefined {
  if (state.transmitAtUs === undefined) return state.detectAtUs;
  return state.detectAtUs === undefined ? state.transmitAtUs : Math.min(state.transmitAtUs, state.detectAtUs);
}

/** `admin-down` when either end has switched the session off: that says nothing about the path. */
export function sessionCondition(state: SessionState): "up" | "down" | "admin-down" {
  if (state.state === "up") return "up";
  return state.state === "admin-down" || state.remote.state === "admin-down" ? "admin-down" : "down";
}

/** bfd.DesiredMinTxInterval as our packets carry it: at least one second while not Up (RFC 5880 §6.8.3). */
export function advertisedTxUs(state: SessionState): number {
  return state.state === "up" ? state.timers.desiredMinTxUs : Math.max(SLOW_INTERVAL_US, state.timers.desiredMinTxUs);
}
