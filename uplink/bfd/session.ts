import type { Random } from "@paddock/base/random.ts";
import { type BfdDiagnostic, type BfdPacket, type BfdState, diagnosticCode } from "@paddock/wire/bfd-packet.ts";
import { jitteredUs } from "./intervals.ts";
import {
  advertisedTxUs,
  NOBODY,
  type SessionDraft,
  type SessionState,
  type SessionTimers,
  transmitIntervalUs,
} from "./session-state.ts";
import { changeTimers, finishPoll, maySend, plan } from "./session-timing.ts";

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

export interface SessionStep {
  readonly state: SessionState;
  readonly outputs: readonly SessionOutput[];
}

export function step(before: SessionState, event: SessionEvent, nowUs: number, random: Random): SessionStep {
  const draft: SessionDraft = { ...before };
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
function receive(draft: SessionDraft, packet: BfdPacket, nowUs: number, outputs: SessionOutput[]): void {
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
  draft: SessionDraft,
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
function expire(draft: SessionDraft, nowUs: number, outputs: SessionOutput[]): void {
  if (draft.state !== "init" && draft.state !== "up") return;
  enter(draft, "down", "control-detection-expired", "detection-expired", nowUs, outputs);
}

/** RFC 5880 §6.8.1: a peer silent for the detection time is unknown again. The Down that tells it has left before. */
function forget(draft: SessionDraft): void {
  // Its last state stays: that a peer was switched off remains the best explanation of its silence.
  draft.remote = { ...NOBODY, state: draft.remote.state === "admin-down" ? "admin-down" : "down" };
  draft.silentSinceUs = undefined;
}

/** `diagnostic` undefined keeps the old one: it explains the last Down until the session is Up again. */
function enter(
  draft: SessionDraft,
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

/** Whether the content of our packets changed in a way that the peer should hear before the next periodic one. */
function needsWord(before: SessionState, draft: SessionDraft): boolean {
  return before.state !== draft.state || (draft.poll === "active" && before.poll === "idle");
}

function transmit(draft: SessionDraft, atOnce: boolean, nowUs: number, random: Random, outputs: SessionOutput[]): void {
  const due = draft.transmitAtUs !== undefined && nowUs >= draft.transmitAtUs;
  if (draft.transmitAtUs === undefined || (!due && !atOnce)) return;
  const polling = draft.poll === "active" || draft.poll === "active-changed";
  outputs.push({ kind: "send", packet: packetOf(draft, polling, false) });
  if (draft.poll === "queued") draft.poll = "active";
  draft.lastSentUs = nowUs;
  draft.transmitAtUs = nowUs + jitteredUs(transmitIntervalUs(draft), draft.timers.detectMult, random);
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
