import type { Timer } from "@paddock/base/clock.ts";
import type { Random } from "@paddock/base/random.ts";
import { type BfdAuth, type BfdReplayState, signBfdPacket } from "@paddock/wire/bfd-auth.ts";
import { BFD_PACKET_BYTES, type BfdPacket, diagnosticName, encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { LossWindow } from "./loss-window.ts";
import { type Machine, type MachineView, probeMachine, sessionMachine } from "./machine.ts";
import { billedBytes, sessionBytes } from "./profiles.ts";
import { type SessionSpec, sessionAuth, sessionTimers } from "./session-spec.ts";
import type { SessionLiveness, SessionReport, StateEvent } from "./speaker-events.ts";
import type { Arrival } from "./session-directory.ts";
import type { Channel, Listener } from "./transport.ts";

/** One session of a speaker: its machine, its socket, its counters. The speaker moves it. */
export class SpeakerSession {
  spec: SessionSpec;
  /** Where its packets come in, and from whom at present. */
  at: Arrival;
  /** Whom it watches from where; unique in the speaker. */
  peerKey: string;
  movedAtUs = -Infinity;
  readonly discriminator: number;
  machine: Machine;
  auth: BfdAuth | undefined;
  /** The configured interval, or a longer one while this process cannot hold that. */
  heldIntervalUs: number;
  replay: BfdReplayState;
  /** The replay state is forgotten after twice the detection time (RFC 5880 §6.8.1, bfd.AuthSeqKnown). */
  replayUntilUs = 0;

  channel: Channel | undefined;
  listener: Listener | undefined;
  timer: Timer | undefined;
  timerDueUs = Infinity;
  draining = false;
  closed = false;

  /** Since it began, and since an end was last switched off. */
  everUp = false;
  sinceWallMs: number;
  sent = 0;
  received = 0;
  bytes = 0;
  ups = 0;
  downs = 0;
  lastDown: StateEvent | undefined;
  socketProblem: string | undefined;
  readonly refused = new Map<string, number>();
  readonly socketErrors = new Map<string, number>();
  readonly loss = new LossWindow();
  /** From when on answers to probes count; Infinity while none is expected. */
  #answersDueUs = 0;
  /** Of the newest packet sent: authentication makes it longer. */
  #packetBytes = BFD_PACKET_BYTES;
  #sequence: number;
  #startedUs: number;

  constructor(
    spec: SessionSpec,
    place: { readonly at: Arrival; readonly peerKey: string },
    discriminator: number,
    nowUs: number,
    wallMs: number,
    random: Random,
  ) {
    this.spec = spec;
    this.at = place.at;
    this.peerKey = place.peerKey;
    this.#startedUs = nowUs;
    this.discriminator = discriminator;
    this.auth = sessionAuth(spec);
    this.sinceWallMs = wallMs;
    this.#sequence = random.uint32();
    const timers = sessionTimers(spec);
    this.heldIntervalUs = timers.desiredMinTxUs;
    this.machine =
      spec.kind === "seamless" || spec.kind === "echo"
        ? probeMachine(
            {
              kind: spec.kind,
              discriminator,
              remoteDiscriminator: spec.remoteDiscriminator ?? discriminator,
              intervalUs: timers.desiredMinTxUs,
              detectMult: timers.detectMult,
            },
            nowUs,
            random,
          )
        : sessionMachine({ ...timers, discriminator, passive: spec.passive }, nowUs, random);
  }

  /** A far end that only sends packets back: it has no pace of its own. */
  get #probes(): boolean {
    return this.spec.kind === "seamless" || this.spec.kind === "echo";
  }

  send(packet: BfdPacket, nowUs: number): void {
    const plain = encodeBfdPacket(packet);
    this.#sequence = (this.#sequence + 1) >>> 0;
    const datagram = this.auth === undefined ? plain : signBfdPacket(plain, this.auth, this.#sequence);
    this.channel?.send(datagram);
    if (this.#probes) this.#noteProbe(nowUs);
    this.#packetBytes = datagram.length;
    this.bytes += billedBytes(datagram.length);
    this.sent++;
  }

  /** Counts a packet that passed every check, before it is stepped in. */
  noteReceived(datagramBytes: number, nowUs: number): void {
    this.received++;
    this.bytes += billedBytes(datagramBytes);
    const { state, lastReceivedUs, receiveIntervalUs } = this.machine.view();
    if (state !== "up" || lastReceivedUs === undefined || nowUs < this.#answersDueUs) return;
    // One in each interval at least, whatever jitter adds: so this is a lower bound, and packets that come late and
    // then close together are no loss.
    if (!this.#probes) this.loss.due(nowUs, (nowUs - lastReceivedUs) / receiveIntervalUs);
    this.loss.arrived(nowUs);
  }

  /** While Up, each packet has its answer one round trip later: one is due for each that is sent from then on. */
  #noteProbe(nowUs: number): void {
    const { state, rttUs = 0 } = this.machine.view();
    if (state !== "up") this.#answersDueUs = Infinity;
    else if (this.#answersDueUs === Infinity) this.#answersDueUs = nowUs + rttUs;
    else if (nowUs >= this.#answersDueUs) this.loss.due(nowUs, 1);
  }

  liveness(): SessionLiveness {
    const { condition } = this.machine.view();
    if (condition === "admin-down" || !this.everUp) return "unknown";
    return condition;
  }

  /** The timers to run with: what is configured, slowed down to what can be held. */
  timers(): { desiredMinTxUs: number; requiredMinRxUs: number; detectMult: number } {
    return { ...sessionTimers(this.spec), desiredMinTxUs: this.heldIntervalUs };
  }

  /** `stranger` is who speaks to this session's address without being anybody's peer. */
  report(nowUs: number, stranger?: string): SessionReport {
    const view = this.machine.view();
    const isNeverUp = this.ups === 0 && view.condition === "down";
    const configuredUs = sessionTimers(this.spec).desiredMinTxUs;
    return {
      name: this.spec.name,
      owner: this.spec.owner,
      kind: this.spec.kind,
      local: this.spec.local,
      remote: this.spec.remote === undefined ? null : this.at.remote,
      state: view.state,
      liveness: this.liveness(),
      diagnostic: diagnosticName(view.diagnostic),
      remoteState: view.remoteState ?? null,
      remoteDiagnostic: view.remoteDiagnostic === undefined ? null : diagnosticName(view.remoteDiagnostic),
      localDiscriminator: this.discriminator,
      remoteDiscriminator: view.remoteDiscriminator,
      transmitIntervalMs: view.transmitIntervalUs / 1000,
      receiveIntervalMs: view.receiveIntervalUs / 1000,
      detectionTimeMs: view.detectionTimeUs / 1000,
      relaxedFromMs: this.heldIntervalUs === configuredUs ? null : configuredUs / 1000,
      sinceLastPacketMs: view.lastReceivedUs === undefined ? null : (nowUs - view.lastReceivedUs) / 1000,
      rttMs: view.rttUs === undefined ? null : view.rttUs / 1000,
      since: this.sinceWallMs,
      neverUpForMs: isNeverUp ? (nowUs - this.#startedUs) / 1000 : null,
      strangerAddress: view.state === "up" ? null : (stranger ?? null),
      sent: this.sent,
      received: this.received,
      bytes: this.bytes,
      bytesPerDay: this.#bytesPerDay(view),
      lossLastMinute: this.loss.lostShare(nowUs) ?? null,
      refused: Object.fromEntries(this.refused),
      socketErrors: Object.fromEntries(this.socketErrors),
      ups: this.ups,
      downs: this.downs,
      lastDown: this.lastDown ?? null,
    };
  }

  #bytesPerDay({ transmitIntervalUs, receiveIntervalUs }: MachineView): number {
    const authBytes = this.#packetBytes - BFD_PACKET_BYTES;
    // `sessionBytes` counts both directions at one pace; here each has its own.
    const both =
      sessionBytes(transmitIntervalUs / 1000, 1, authBytes) + sessionBytes(receiveIntervalUs / 1000, 1, authBytes);
    return Math.round(both / 2);
  }
}

export function countUp(counters: Map<string, number>, cause: string): void {
  counters.set(cause, (counters.get(cause) ?? 0) + 1);
}
