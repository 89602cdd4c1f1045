import type { Random } from "@paddock/base/random.ts";
import { type BfdDiagnostic, type BfdPacket, type BfdState, diagnosticCode } from "@paddock/wire/bfd-packet.ts";
import { jitteredUs, SLOW_INTERVAL_US } from "./intervals.ts";
import type { SessionEvent, SessionOutput, SessionReason } from "./session.ts";

/*
 * A session whose far end keeps no state and only sends our packets back: the initiator of seamless BFD (RFC 7880), or
 * unaffiliated echo toward a router that merely forwards (RFC 9747). As pure as session.ts and with the same events and
 * outputs; there is nothing to negotiate, so polls only measure the round trip.
 */
export interface ProbeState {
  readonly kind: "seamless" | "echo";
  readonly discriminator: number;
  /** The reflector's discriminator; for echo our own, because we are the far end. */
  readonly remoteDiscriminator: number;
  readonly intervalUs: number;
  readonly detectMult: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  /** Whether the reflector says that it is switched off. */
  readonly remoteDisabled: boolean;
  /** The fastest pace that the reflector takes; 0 sets no limit. */
  readonly remoteMinRxUs: number;
  /** Time from our last packet to its answer; undefined until measured. */
  readonly rttUs: number | undefined;
  readonly lastReceivedUs: number | undefined;
  readonly lastSentUs: number | undefined;
  /** When the packet with P left whose answer is awaited; undefined: none is. */
  readonly polledUs: number | undefined;
  /** From when on a packet carries P again. */
  readonly pollAtUs: number;
  readonly transmitAtUs: number | undefined;
  readonly silentSinceUs: number | undefined;
  readonly detectAtUs: number | undefined;
}

/** A round trip is measured this often. */
const POLL_EVERY_US = 1_000_000;
/** A poll without an answer for this long is lost. */
const POLL_LOST_US = 3_000_000;

export interface ProbeOptions {
  readonly kind: "seamless" | "echo";
  readonly discriminator: number;
  readonly remoteDiscriminator: number;
  readonly intervalUs: number;
  readonly detectMult: number;
}

export function startProbe(options: ProbeOptions, nowUs: number, random: Random): ProbeState {
  return {
    ...options,
    state: "down",
    diagnostic: 0,
    remoteDisabled: false,
    remoteMinRxUs: 0,
    rttUs: undefined,
    lastReceivedUs: undefined,
    lastSentUs: undefined,
    polledUs: undefined,
    pollAtUs: nowUs,
    transmitAtUs: nowUs + Math.round(SLOW_INTERVAL_US * random.float()),
    silentSinceUs: undefined,
    detectAtUs: undefined,
  };
}

/** The interval between packets before jitter: slow until Up (RFC 7880 §7.3, RFC 9747 §2). */
export function probeIntervalUs(state: ProbeState): number {
  const wantedUs = Math.max(state.intervalUs, state.remoteMinRxUs);
  return state.state === "up" ? wantedUs : Math.max(SLOW_INTERVAL_US, wantedUs);
}

/** Silence that means Down: Detect Mult answers missing. */
export function probeDetectionTimeUs(state: ProbeState): number {
  return state.detectMult * probeIntervalUs(state);
}

export function probeWakeAtUs(state: ProbeState): number | undefined {
  if (state.transmitAtUs === undefined) return state.detectAtUs;
  return Math.min(state.transmitAtUs, state.detectAtUs ?? Infinity);
}

type Draft = { -readonly [Key in keyof ProbeState]: ProbeState[Key] };

/** `change` takes the interval from `desiredMinTxUs`; there is no interval of the far end to ask for. */
export function stepProbe(
  before: ProbeState,
  event: SessionEvent,
  nowUs: number,
  random: Random,
): { state: ProbeState; outputs: readonly SessionOutput[] } {
  const draft: Draft = { ...before };
  const outputs: SessionOutput[] = [];
  const expired = draft.detectAtUs !== undefined && nowUs >= draft.detectAtUs;
  switch (event.kind) {
    case "packet":
      receive(draft, event.packet, nowUs, outputs);
      break;
    case "tick":
      if (expired) outputs.push({ kind: "drain" });
      break;
    case "drained":
      if (!expired) break;
      enter(
        draft,
        "down",
        draft.kind === "echo" ? "echo-failed" : "control-detection-expired",
        "detection-expired",
        nowUs,
        outputs,
      );
      draft.silentSinceUs = undefined;
      break;
    case "change":
      draft.intervalUs = event.timers.desiredMinTxUs;
      draft.detectMult = event.timers.detectMult;
      break;
    case "disable":
      if (draft.state !== "admin-down") enter(draft, "admin-down", "administratively-down", "disabled", nowUs, outputs);
      draft.silentSinceUs = undefined;
      draft.transmitAtUs = undefined;
      break;
    case "enable":
      if (draft.state === "admin-down") enter(draft, "down", "none", "enabled", nowUs, outputs);
      break;
    case "remind":
      // The far end keeps no state: there is nobody to tell.
      break;
  }
  plan(before, draft, nowUs, random);
  if (draft.transmitAtUs !== undefined && nowUs >= draft.transmitAtUs) {
    outputs.push({ kind: "send", packet: packetOf(draft, isPollDue(draft, nowUs)) });
    draft.lastSentUs = nowUs;
    draft.transmitAtUs = nowUs + jitteredUs(probeIntervalUs(draft), draft.detectMult, random);
  }
  return { state: draft, outputs };
}

function receive(draft: Draft, packet: BfdPacket, nowUs: number, outputs: SessionOutput[]): void {
  if (draft.state === "admin-down") return;
  if (draft.kind === "seamless") {
    draft.remoteMinRxUs = packet.requiredMinRxUs;
    draft.remoteDisabled = packet.state === "admin-down";
    if (draft.remoteDisabled) {
      if (draft.state !== "down") {
        enter(draft, "down", "neighbor-signaled-down", "neighbor-admin-down", nowUs, outputs);
      }
      draft.lastReceivedUs = nowUs;
      draft.silentSinceUs = undefined;
      return;
    }
  }
  measureRtt(draft, packet, nowUs);
  // An echo takes the handshake's steps with itself; a reflector's answer proves both directions at once.
  if (draft.state === "down") enter(draft, draft.kind === "echo" ? "init" : "up", "none", "handshake", nowUs, outputs);
  else if (draft.state === "init") enter(draft, "up", "none", "handshake", nowUs, outputs);
  draft.lastReceivedUs = nowUs;
  draft.silentSinceUs = nowUs;
}

/**
 * An answer does not say which packet it answers, and several may be under way. Only the one to a poll is known by its
 * mark: a reflector answers P with F (RFC 7880 §7.2), an echo comes back with its P.
 */
function measureRtt(draft: Draft, packet: BfdPacket, nowUs: number): void {
  if (draft.polledUs === undefined || !(draft.kind === "echo" ? packet.poll : packet.final)) return;
  draft.rttUs = nowUs - draft.polledUs;
  draft.polledUs = undefined;
  draft.pollAtUs = nowUs + POLL_EVERY_US;
}

function enter(
  draft: Draft,
  to: BfdState,
  diagnostic: BfdDiagnostic,
  reason: SessionReason,
  nowUs: number,
  outputs: SessionOutput[],
): void {
  const from = draft.state;
  draft.state = to;
  draft.diagnostic = diagnosticCode(diagnostic);
  const sinceLastPacketUs = draft.lastReceivedUs === undefined ? undefined : nowUs - draft.lastReceivedUs;
  outputs.push({ kind: "changed", from, to, diagnostic: draft.diagnostic, reason, sinceLastPacketUs });
}

function plan(before: ProbeState, draft: Draft, nowUs: number, random: Random): void {
  if (draft.state === "admin-down") {
    draft.detectAtUs = undefined;
    return;
  }
  const intervalUs = probeIntervalUs(draft);
  if (intervalUs < probeIntervalUs(before) && draft.silentSinceUs !== undefined) {
    // The first answer at the new pace is one round trip away; until then silence proves nothing.
    draft.silentSinceUs = Math.max(draft.silentSinceUs, nowUs + (draft.rttUs ?? 0));
  }
  draft.detectAtUs = draft.silentSinceUs === undefined ? undefined : draft.silentSinceUs + probeDetectionTimeUs(draft);
  if (before.state !== draft.state) draft.transmitAtUs = nowUs;
  else if (draft.transmitAtUs === undefined)
    draft.transmitAtUs = nowUs + jitteredUs(intervalUs, draft.detectMult, random);
  // The first packet of all is not put off by a slower pace: nothing is known until it is answered.
  else if (intervalUs !== probeIntervalUs(before) && draft.lastSentUs !== undefined) {
    draft.transmitAtUs = Math.max(nowUs, draft.lastSentUs + jitteredUs(intervalUs, draft.detectMult, random));
  }
}

/** Whether the packet that leaves now is to measure the round trip; notes when it left. */
function isPollDue(draft: Draft, nowUs: number): boolean {
  // While not Up packets are a second apart and each may be the first to be answered: that answer has to tell.
  const awaited = draft.polledUs !== undefined && nowUs - draft.polledUs < POLL_LOST_US;
  if (draft.state === "up" && (awaited || nowUs < draft.pollAtUs)) return false;
  draft.polledUs = nowUs;
  return true;
}

function packetOf(state: ProbeState, poll: boolean): BfdPacket {
  // Nothing is negotiated with ourselves: an echo says one second, whatever its pace (RFC 9747).
  const isEcho = state.kind === "echo";
  return {
    diagnostic: state.diagnostic,
    state: state.state,
    poll,
    final: false,
    controlPlaneIndependent: false,
    // What tells an initiator's packet from a reflector's answer (RFC 7880 §7.2).
    demand: state.kind === "seamless",
    detectMult: state.detectMult,
    myDiscriminator: state.discriminator,
    yourDiscriminator: state.remoteDiscriminator,
    desiredMinTxUs: isEcho ? SLOW_INTERVAL_US : probeIntervalUs(state),
    // An initiator expects nothing but answers (RFC 7880 §7.3), and some reflectors answer with what they were told: our
    // own slow start would then hold us back for ever.
    requiredMinRxUs: isEcho ? SLOW_INTERVAL_US : 0,
    requiredMinEchoRxUs: 0,
  };
}
