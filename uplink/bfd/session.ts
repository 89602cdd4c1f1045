import type { Random } from "@paddock/base/random.ts";
import { type BfdDiagnostic, type BfdPacket, type BfdState, diagnosticCode } from "@paddock/wire/bfd-packet.ts";
import { jitteredUs, SLOW_INTERVAL_US } from "./intervals.ts";

/*
 * One BFD session, RFC 5880 §6.8, as a pure function: `step(state, event, now, random)` gives the next state and what
 * to do. The state itself says when it wants to be called again (`wakeAtUs`).
 *
 *              +--+  down, admin-down, timer                    The words on the arrows are the
 *              |  v                                             state that the peer reports.
 *     down   +------+   init                admin-down, down, timer
 *     +------|      |------------------+    +---------+
 *     |      | Down |                  |    |         |
 *     |  +-->|      |<-----------------|----+         |
 *     |  |   +------+ admin-down,timer v              |
 *     v  |                           +----+           |
 *   +------+         init, up        |    |-----------+
 *   | Init |------------------------>| Up |<--+ init, up
 *   +------+                         +----+---+
 */

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

export type SessionEvent =
  /** A packet that passed every check of RFC 5880 §6.8.6 up to and including authentication. */
  | { readonly kind: "packet"; readonly packet: BfdPacket }
  /** Time has moved on. */
  | { readonly kind: "tick" }
  /** Follows the output `drain`: whatever waited in the socket has been stepped through by now. */
  | { readonly kind: "drained" }
  | { readonly kind: "change"; readonly timers: SessionTimers }
  | { readonly kind: "disable" }
  | { readonly kind: "enable" }
  /** Says once more, outside of the schedule, that this end is switched off. */
  | { readonly kind: "remind" };

export type SessionReason =
  | "detection-expired"
  | "handshake"
  | "neighbor-down"
  | "neighbor-admin-down"
  | "disabled"
  | "enabled";

export type SessionOutput =
  | { readonly kind: "send"; readonly packet: BfdPacket }
  /**
   * The detection time has passed by the clock. Packets may still wait in the socket, because timers run before sockets
   * are read: read what is there, then step with `drained`.
   */
  | { readonly kind: "drain" }
  | {
      readonly kind: "changed";
      readonly from: BfdState;
      readonly to: BfdState;
      readonly diagnostic: number;
      readonly reason: SessionReason;
      /** How long ago the last valid packet came; undefined if none did. */
      readonly sinceLastPacketUs: number | undefined;
    };

const NOBODY: RemoteView = {
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

type Draft = { -readonly [Key in keyof SessionState]: SessionState[Key] };

export interface SessionStep {
  readonly state: SessionState;
  readonly outputs: readonly SessionOutput[];
}

export function step(before: SessionState, event: SessionEvent, nowUs: number, random: Random): SessionStep {
  const draft: Draft = { ...before };
  const outputs: SessionOutput[] = [];
  let forgets = false;
  switch (event.kind) {
    case "packet":
      receive(draft, event.packet, nowUs, outputs);
      break;
    case "tick":
      if (draft.detectAtUs !== undefined && nowUs >= draft.detectAtUs) outputs.push({ kind: "drain" });
      break;
    case "drained":
      forgets = draft.detectAtUs !== undefined && nowUs >= draft.detectAtUs;
      if (forgets) expire(draft, nowUs, outputs);
      break;
    case "change":
      changeTimers(draft, event.timers);
      break;
    case "disable":
      if (draft.state !== "admin-down") {
        enter(draft, "admin-down", "administratively-down", "disabled", nowUs, outputs);
        draft.silentSinceUs = undefined;
      }
      break;
    case "enable":
      if (draft.state === "admin-down") {
        draft.remote = NOBODY;
        enter(draft, "down", "none", "enabled", nowUs, outputs);
      }
      break;
    case "remind":
      if (draft.state === "admin-down" && maySend(draft)) {
        outputs.push({ kind: "send", packet: packetOf(draft, false, false) });
      }
      break;
  }
  plan(draft, nowUs, random);
  transmit(draft, needsWord(before, draft), nowUs, random, outputs);
  if (forgets) {
    forget(draft);
    plan(draft, nowUs, random);
  }
  return { state: draft, outputs };
}

/** RFC 5880 §6.8.6, from "Set bfd.RemoteDiscr" on. */
function receive(draft: Draft, packet: BfdPacket, nowUs: number, outputs: SessionOutput[]): void {
  draft.remote = {
    discriminator: packet.myDiscriminator,
    state: packet.state,
    diagnostic: packet.diagnostic,
    demand: packet.demand,
    desiredMinTxUs: packet.desiredMinTxUs,
    requiredMinRxUs: packet.requiredMinRxUs,
    detectMult: packet.detectMult,
  };
  if (packet.final) finishPoll(draft);
  if (draft.state === "admin-down") return;
  const sinceLastPacketUs = draft.lastReceivedUs === undefined ? undefined : nowUs - draft.lastReceivedUs;
  draft.lastReceivedUs = nowUs;
  draft.silentSinceUs = nowUs;
  follow(draft, packet.state, nowUs, outputs, sinceLastPacketUs);
  if (packet.poll) outputs.push({ kind: "send", packet: packetOf(draft, false, true) });
}

/** The state table of RFC 5880 §6.8.6. */
function follow(
  draft: Draft,
  remoteState: BfdState,
  nowUs: number,
  outputs: SessionOutput[],
  sinceLastPacketUs: number | undefined,
): void {
  if (remoteState === "admin-down") {
    if (draft.state !== "down") {
      enter(draft, "down", "neighbor-signaled-down", "neighbor-admin-down", nowUs, outputs, sinceLastPacketUs);
    }
    return;
  }
  switch (draft.state) {
    case "down":
      if (remoteState === "down") enter(draft, "init", undefined, "handshake", nowUs, outputs, sinceLastPacketUs);
      else if (remoteState === "init") enter(draft, "up", "none", "handshake", nowUs, outputs, sinceLastPacketUs);
      break;
    case "init":
      if (remoteState !== "down") enter(draft, "up", "none", "handshake", nowUs, outputs, sinceLastPacketUs);
      break;
    case "up":
      if (remoteState === "down") {
        enter(draft, "down", "neighbor-signaled-down", "neighbor-down", nowUs, outputs, sinceLastPacketUs);
      }
      break;
    case "admin-down":
      break;
  }
}

/** Silence for the detection time ends Init and Up (RFC 5880 §6.8.4). */
function expire(draft: Draft, nowUs: number, outputs: SessionOutput[]): void {
  if (draft.state !== "init" && draft.state !== "up") return;
  enter(draft, "down", "control-detection-expired", "detection-expired", nowUs, outputs);
}

/** RFC 5880 §6.8.1: a peer silent for the detection time is unknown again. The Down that tells it has left before. */
function forget(draft: Draft): void {
  // Its last state stays: that a peer was switched off remains the best explanation of its silence.
  draft.remote = { ...NOBODY, state: draft.remote.state === "admin-down" ? "admin-down" : "down" };
  draft.silentSinceUs = undefined;
}

/** `diagnostic` undefined keeps the old one: it explains the last Down until the session is Up again. */
function enter(
  draft: Draft,
  to: BfdState,
  diagnostic: BfdDiagnostic | undefined,
  reason: SessionReason,
  nowUs: number,
  outputs: SessionOutput[],
  sinceLastPacketUs = draft.lastReceivedUs === undefined ? undefined : nowUs - draft.lastReceivedUs,
): void {
  const from = draft.state;
  const advertisedBefore = advertisedTxUs(draft);
  draft.state = to;
  if (diagnostic !== undefined) draft.diagnostic = diagnosticCode(diagnostic);
  draft.paceUs = advertisedTxUs(draft);
  draft.expectUs = draft.timers.requiredMinRxUs;
  // Up is where the slow start ends: the new interval has to be announced by a poll (RFC 5880 §6.8.3).
  draft.poll = to === "up" && advertisedTxUs(draft) !== advertisedBefore ? "active" : "idle";
  outputs.push({ kind: "changed", from, to, diagnostic: draft.diagnostic, reason, sinceLastPacketUs });
}

/** RFC 5880 §6.8.3: while Up, an increase of our interval and a decrease of theirs wait for the peer's Final. */
function changeTimers(draft: Draft, timers: SessionTimers): void {
  const before = draft.timers;
  draft.timers = timers;
  if (draft.state !== "up") {
    draft.paceUs = advertisedTxUs(draft);
    draft.expectUs = timers.requiredMinRxUs;
    return;
  }
  draft.paceUs = Math.min(draft.paceUs, timers.desiredMinTxUs);
  draft.expectUs = Math.max(draft.expectUs, timers.requiredMinRxUs);
  if (timers.desiredMinTxUs === before.desiredMinTxUs && timers.requiredMinRxUs === before.requiredMinRxUs) return;
  if (draft.poll === "idle") draft.poll = "active";
  else if (draft.poll === "active") draft.poll = "active-changed";
}

function finishPoll(draft: Draft): void {
  if (draft.poll === "active") {
    draft.poll = "idle";
    draft.paceUs = advertisedTxUs(draft);
    draft.expectUs = draft.timers.requiredMinRxUs;
  } else if (draft.poll === "active-changed") {
    // This Final may answer a packet from before the change, so it proves nothing about the newest values.
    draft.poll = "queued";
  }
}

/** Sets both deadlines from the state; the transmission is drawn again only when its interval changed. */
function plan(draft: Draft, nowUs: number, random: Random): void {
  draft.detectAtUs =
    draft.silentSinceUs === undefined || draft.state === "admin-down"
      ? undefined
      : draft.silentSinceUs + detectionTimeUs(draft);
  if (!maySend(draft)) {
    draft.transmitAtUs = undefined;
    draft.plannedIntervalUs = undefined;
    return;
  }
  const intervalUs = transmitIntervalUs(draft);
  if (draft.transmitAtUs !== undefined && draft.plannedIntervalUs === intervalUs) return;
  draft.plannedIntervalUs = intervalUs;
  // The first packet of all is not put off by a slower pace: nothing is known until it is answered.
  if (draft.transmitAtUs !== undefined && draft.lastSentUs === undefined) return;
  const dueUs = (draft.lastSentUs ?? nowUs) + jitteredUs(intervalUs, draft.timers.detectMult, random);
  draft.transmitAtUs = Math.max(nowUs, dueUs);
}

/** Whether periodic packets are allowed at all (RFC 5880 §6.8.7). */
function maySend(draft: Draft): boolean {
  if (draft.passive && draft.remote.discriminator === 0) return false;
  if (draft.remote.requiredMinRxUs === 0) return false;
  const quietByDemand = draft.remote.demand && draft.state === "up" && draft.remote.state === "up";
  return !quietByDemand || draft.poll !== "idle";
}

/** Whether the content of our packets changed in a way that the peer should hear before the next periodic one. */
function needsWord(before: SessionState, draft: Draft): boolean {
  return before.state !== draft.state || (draft.poll === "active" && before.poll === "idle");
}

function transmit(draft: Draft, atOnce: boolean, nowUs: number, random: Random, outputs: SessionOutput[]): void {
  const due = draft.transmitAtUs !== undefined && nowUs >= draft.transmitAtUs;
  if (draft.transmitAtUs === undefined || (!due && !atOnce)) return;
  const polling = draft.poll === "active" || draft.poll === "active-changed";
  outputs.push({ kind: "send", packet: packetOf(draft, polling, false) });
  if (draft.poll === "queued") draft.poll = "active";
  draft.lastSentUs = nowUs;
  draft.transmitAtUs = nowUs + jitteredUs(transmitIntervalUs(draft), draft.timers.detectMult, random);
}

/** bfd.DesiredMinTxInterval as our packets carry it: at least one second while not Up (RFC 5880 §6.8.3). */
function advertisedTxUs(state: SessionState): number {
  return state.state === "up" ? state.timers.desiredMinTxUs : Math.max(SLOW_INTERVAL_US, state.timers.desiredMinTxUs);
}

function packetOf(state: SessionState, poll: boolean, final: boolean): BfdPacket {
  return {
    diagnostic: state.diagnostic,
    state: state.state,
    poll,
    final,
    // This process can die without the forwarding plane noticing, so no claim of independence.
    controlPlaneIndependent: false,
    demand: false,
    detectMult: state.timers.detectMult,
    myDiscriminator: state.discriminator,
    yourDiscriminator: state.remote.discriminator,
    desiredMinTxUs: advertisedTxUs(state),
    requiredMinRxUs: state.timers.requiredMinRxUs,
    requiredMinEchoRxUs: 0,
  };
}
