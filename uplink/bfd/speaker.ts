import { type Clock, systemClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { type Random, systemRandom } from "@paddock/base/random.ts";
import { decodeBfdPacket, type DecodedBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { admit, type RefusalCause } from "./admission.ts";
import { Heartbeat } from "./heartbeat.ts";
import { CALM_SECONDS, holdChange } from "./ladder.ts";
import type { PassivePeers } from "./passive-place.ts";
import { PassivePlaces } from "./passive-places.ts";
import { type Arrival, arrivalKey, arrivalPlace, canonicalAddress, SessionDirectory } from "./session-directory.ts";
import { recordChange, type StateChange } from "./state-event.ts";
import type { MachineView } from "./machine.ts";
import type { SessionEvent } from "./session.ts";
import {
  isLinkLocal,
  parseSession,
  type PortSet,
  REGISTERED_PORTS,
  sessionAuth,
  lastingDifference,
  type SessionSpec,
  type SessionSpecInput,
  sessionTimers,
} from "./session-spec.ts";
import type { SpeakerEvent, SpeakerReport } from "./speaker-events.ts";
import { countUp, SpeakerSession } from "./speaker-session.ts";
import { openSockets } from "./speaker-sockets.ts";
import { StallMeter } from "./stall-meter.ts";
import { Strangers } from "./strangers.ts";
import type { Listener, Transport } from "./transport.ts";
import { UdpTransport } from "./udp-transport.ts";
import { Waker } from "./waker.ts";

/** How far apart the repetitions of a goodbye are. */
const REMINDER_MS = 300;
/** The shortest time between two changes of where a peer is. */
const MOVE_PAUSE_US = 1_000_000;

export interface SpeakerOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly transport?: Transport;
  readonly ports?: Partial<PortSet>;
  /** Runs the callback after sockets have been read once; setImmediate. */
  readonly afterReading?: (callback: () => void) => void;
}

/** A BFD speaker: sessions over sockets. Usable on its own; docs/bfd.md shows how. */
export class Speaker {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #transport: Transport;
  readonly #ports: PortSet;
  readonly #sessions: SessionDirectory;
  readonly #listeners = new Set<(event: SpeakerEvent) => void>();
  readonly #places: PassivePlaces;
  readonly #strangers = new Strangers();
  readonly #refused = new Map<string, number>();
  readonly #stalls = new StallMeter();
  #datagrams = 0;
  readonly #heartbeat: Heartbeat;
  readonly #waker: Waker;

  constructor(options: SpeakerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#transport = options.transport ?? new UdpTransport(this.#clock, this.#random);
    this.#ports = { ...REGISTERED_PORTS, ...options.ports };
    this.#sessions = new SessionDirectory(this.#ports);
    this.#places = new PassivePlaces(this.#transport, this.#ports, this.#random.bytes(32));
    this.#heartbeat = new Heartbeat(this.#clock, this.#stalls, {
      fastestUs: () => this.#fastestUs(),
      everySecond: (nowUs) => {
        for (const session of this.#sessions.all()) this.#hold(session, nowUs);
      },
    });
    this.#waker = new Waker(this.#clock, this.#stalls, {
      afterReading: options.afterReading ?? ((callback) => setImmediate(callback)),
      datagrams: () => this.#datagrams,
      step: (session, event) => this.#step(session, event),
    });
  }

  /** Calls back for every event until the returned function is called. */
  subscribe(listener: (event: SpeakerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Starts a session. The same session again is no change; a name that its owner has already, with other intervals, keys
   * or `enabled`, changes it in place. Throws BFD_INVALID or CONFIG_INVALID.
   */
  add(input: SessionSpecInput): void {
    const spec = parseSession(input);
    const known = this.#sessions.find(spec.owner, spec.name);
    if (known !== undefined) {
      this.#apply(known, spec);
      return;
    }
    this.#start(spec, this.#sessions.freeDiscriminator(this.#random));
  }

  #start(spec: SessionSpec, discriminator: number): SpeakerSession {
    this.#sessions.checkFree(spec);
    const session = new SpeakerSession(
      spec,
      { at: this.#sessions.arrivalOf(spec), peerKey: this.#sessions.peerKey(spec) },
      discriminator,
      this.#clock.monotonicUs(),
      this.#clock.wallMs(),
      this.#random,
    );
    this.#sessions.add(session);
    openSockets(session, this.#transport, this.#ports, {
      onArrival: (arrival, datagram) => this.receive(arrival, datagram),
      onAnswer: (datagram) => this.#answer(session, datagram),
      onStray: () => countUp(this.#refused, "wrong-peer" satisfies RefusalCause),
      onProblem: (code) => this.#socketProblem(session, code),
    });
    if (!spec.enabled) this.#step(session, { kind: "disable" });
    this.#waker.arm(session);
    this.#heartbeat.start();
    return session;
  }

  /** Changes a running session without a flap. Throws BFD_INVALID for what only a new session can have. */
  change(name: string, patch: Partial<SessionSpecInput>, owner = ""): void {
    const session = this.#sessions.get(owner, name);
    this.#apply(session, parseSession({ ...session.spec, ...patch, name, owner }));
  }

  /** Tells the peer AdminDown and forgets the session. Throws BFD_INVALID when this owner has none of this name. */
  remove(name: string, owner = ""): void {
    const session = this.#sessions.get(owner, name);
    this.#step(session, { kind: "disable" });
    this.#sessions.remove(session);
    session.closed = true;
    session.timer?.cancel();
    session.listener?.close();
    session.channel?.close();
    if (this.#sessions.size === 0) this.#heartbeat.stop();
  }

  /** Whether this owner has a session of this name. */
  has(owner: string, name: string): boolean {
    return this.#sessions.find(owner, name) !== undefined;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  report(): SpeakerReport {
    const nowUs = this.#clock.monotonicUs();
    return {
      sessions: this.#sessions.all().map((session) => session.report(nowUs, this.#strangers.near(session.at, nowUs))),
      refused: Object.fromEntries(this.#refused),
      stalls: this.#stalls.report(nowUs),
    };
  }

  /**
   * Takes peers that no session is configured for: each gets one once it has proven that it hears us (passive-place.ts).
   * Throws BFD_INVALID or CONFIG_INVALID for a session that cannot be.
   */
  acceptPeers(kind: "single-hop" | "multihop", local: string, peers: PassivePeers, port?: number): Listener {
    const localPort = port ?? (kind === "multihop" ? this.#ports.multihop : this.#ports.singleHop);
    const at = { kind, local: canonicalAddress(local), localPort };
    return this.#places.open(
      at,
      peers,
      (datagram, remote) => this.receive({ ...at, remote }, datagram),
      (code) => countUp(this.#refused, code),
    );
  }

  /**
   * Switches every session off, gives the peers `lingerMs` to hear of it, and closes all sockets. RFC 5880 §6.8.16 asks to
   * go on for a detection time, which can be half a minute: docs/decisions/0031-bfd-goodbye.md.
   */
  async close(lingerMs = 1100): Promise<void> {
    // Probes have nobody to tell: the far end keeps no state.
    const upBefore = this.#sessions
      .all()
      .filter(({ machine, listener }) => listener !== undefined && machine.view().state === "up");
    for (const session of this.#sessions.all()) this.#step(session, { kind: "disable" });
    if (upBefore.length > 0 && lingerMs > 0) {
      // Losses must not turn a planned stop into a failure, and the next regular packet may be ten seconds away.
      for (let atMs = REMINDER_MS; atMs < lingerMs; atMs += REMINDER_MS) {
        this.#clock.after(atMs, () => {
          for (const session of upBefore) if (!session.closed) this.#step(session, { kind: "remind" });
        });
      }
      await new Promise<void>((done) => this.#clock.after(lingerMs, done));
    }
    this.#listeners.clear();
    for (const session of this.#sessions.all()) this.remove(session.spec.name, session.spec.owner);
    this.#heartbeat.stop();
  }

  /** The whole way of a datagram from a listener, RFC 5880 §6.8.6. Never throws for any bytes. */
  receive(arrival: Arrival, datagram: Buffer): void {
    this.#datagrams++;
    const decoded = decodeBfdPacket(datagram);
    if (!decoded.ok) return countUp(this.#refused, decoded.reason);
    const packet = decoded.value;
    const session =
      packet.yourDiscriminator === 0
        ? this.#sessions.byArrival(arrival)
        : this.#sessions.byDiscriminator(packet.yourDiscriminator);
    if (session === undefined) return this.#hearStranger(arrival, packet, datagram);
    const moves = session.peerKey !== arrivalKey(arrival);
    if (moves && !this.#mayMove(session, arrival)) return countUp(session.refused, "wrong-peer" satisfies RefusalCause);
    if (this.#admit(session, packet, datagram) && moves) this.#move(session, arrival);
  }

  /** A packet that belongs to no session: the first ones of a peer that may have one, or nothing of ours. */
  #hearStranger(arrival: Arrival, packet: DecodedBfdPacket, datagram: Buffer): void {
    const isFree = (discriminator: number): boolean => this.#sessions.byDiscriminator(discriminator) === undefined;
    const next = this.#places.hear(arrival, packet, isFree);
    if (next === "greeted") return countUp(this.#refused, "unproven" satisfies RefusalCause);
    const isFirst = packet.yourDiscriminator === 0;
    if (next === undefined) {
      if (isFirst) this.#strangers.note(arrival, this.#clock.monotonicUs());
      return countUp(this.#refused, (isFirst ? "no-session" : "unknown-session") satisfies RefusalCause);
    }
    try {
      const spec = parseSession({ ...next, name: this.#freeName(next.name, packet.yourDiscriminator) });
      this.#admit(this.#start(spec, packet.yourDiscriminator), packet, datagram);
    } catch (error) {
      // Whom a peer claims to be is outside input: an impossible session is one more packet refused.
      if (!(error instanceof PaddockError)) throw error;
      countUp(this.#refused, "no-session" satisfies RefusalCause);
    }
  }

  /** The name of a passive session: another may still have it, whose peer began at this address and has moved on. */
  #freeName(name: string, discriminator: number): string {
    return this.has("", name) ? `${name} ${discriminator}` : name;
  }

  /** RFC 5880 §6.3: once our discriminator is echoed, the source address may change. Not over one hop: docs/bfd.md. */
  #mayMove(session: SpeakerSession, arrival: Arrival): boolean {
    if (arrival.kind !== "multihop" || arrivalPlace(session.at) !== arrivalPlace(arrival)) return false;
    if (isLinkLocal(arrival.remote) || this.#sessions.byArrival(arrival) !== undefined) return false;
    return !session.spec.passive || (this.#places.allows(arrival) ?? true);
  }

  /** Sends to where the peer speaks from by now. One that speaks from two addresses is followed once a second. */
  #move(session: SpeakerSession, arrival: Arrival): void {
    const nowUs = this.#clock.monotonicUs();
    if (session.closed || nowUs < session.movedAtUs + MOVE_PAUSE_US) return;
    session.movedAtUs = nowUs;
    const from = session.at.remote;
    this.#sessions.move(session, arrival);
    session.channel?.turn(arrival.remote);
    this.#emit({ ...this.#head(session), event: "moved", from, to: arrival.remote });
  }

  #answer(session: SpeakerSession, datagram: Buffer): void {
    this.#datagrams++;
    const decoded = decodeBfdPacket(datagram);
    if (!decoded.ok) return countUp(session.refused, decoded.reason);
    this.#admit(session, decoded.value, datagram);
  }

  /** Whether the packet passed every check and was stepped in. */
  #admit(session: SpeakerSession, packet: DecodedBfdPacket, datagram: Buffer): boolean {
    const nowUs = this.#clock.monotonicUs();
    const outcome = admit(
      {
        kind: session.spec.kind,
        discriminator: session.discriminator,
        remoteDiscriminator: session.spec.remoteDiscriminator ?? session.discriminator,
        auth: session.auth,
        replay: nowUs < session.replayUntilUs ? session.replay : undefined,
      },
      packet,
      datagram,
    );
    if (!outcome.ok) {
      countUp(session.refused, outcome.reason);
      return false;
    }
    session.replay = outcome.value;
    session.noteReceived(datagram.length, nowUs);
    if (session.socketProblem !== undefined) this.#socketWorks(session);
    this.#step(session, { kind: "packet", packet });
    session.replayUntilUs = nowUs + 2 * session.machine.view().detectionTimeUs;
    this.#waker.arm(session);
    return true;
  }

  #apply(session: SpeakerSession, spec: SessionSpec): void {
    const before = session.spec;
    const field = lastingDifference(before, spec);
    if (field !== undefined) {
      const remedy = "remove the session and add it again";
      throw new PaddockError("BFD_INVALID", `session "${spec.name}": ${field} cannot change; ${remedy}.`);
    }
    session.spec = spec;
    session.auth = sessionAuth(spec);
    const wantedUs = sessionTimers(spec).desiredMinTxUs;
    if (sessionTimers(before).desiredMinTxUs !== wantedUs || !spec.adaptive) session.heldIntervalUs = wantedUs;
    this.#step(session, { kind: "change", timers: session.timers() });
    if (before.enabled !== spec.enabled) this.#step(session, { kind: spec.enabled ? "enable" : "disable" });
    this.#waker.arm(session);
    this.#heartbeat.start();
  }

  #step(session: SpeakerSession, event: SessionEvent): void {
    const nowUs = this.#clock.monotonicUs();
    const before = session.machine.view();
    for (const output of session.machine.step(event, nowUs)) {
      if (output.kind === "send") {
        session.send(output.packet, nowUs);
        session.machine.sent(nowUs, this.#clock.monotonicUs());
      } else if (output.kind === "drain") this.#waker.drain(session);
      else this.#changed(session, before, output, nowUs);
    }
    const after = session.machine.view();
    // What follows its being switched off says nothing about the path either, until it is Up again.
    if (after.condition === "admin-down") session.everUp = false;
    if (before.state === after.state && before.condition !== after.condition) {
      this.#changed(session, before, { from: before.state, to: after.state, reason: "neighbor-disabled" }, nowUs);
    }
    const samePace =
      before.transmitIntervalUs === after.transmitIntervalUs && before.detectionTimeUs === after.detectionTimeUs;
    if (after.state !== "up" || before.state !== "up" || samePace) return;
    this.#emit({
      ...this.#head(session),
      event: "pace",
      transmitIntervalMs: after.transmitIntervalUs / 1000,
      detectionTimeMs: after.detectionTimeUs / 1000,
    });
  }

  #changed(session: SpeakerSession, before: MachineView, change: StateChange, nowUs: number): void {
    const stalledUs = this.#stalls.worstSinceUs(nowUs - (change.sinceLastPacketUs ?? 0), nowUs);
    this.#emit(recordChange(session, before, change, stalledUs, this.#clock.wallMs()));
  }

  #fastestUs(): number | undefined {
    if (this.#sessions.size === 0) return undefined;
    return Math.min(...this.#sessions.all().map(({ heldIntervalUs }) => heldIntervalUs));
  }

  #hold(session: SpeakerSession, nowUs: number): void {
    const change = holdChange(session, this.#stalls.worstOfLastUs(CALM_SECONDS, nowUs));
    if (change === undefined) return;
    session.heldIntervalUs = change.toMs * 1000;
    this.#step(session, { kind: "change", timers: session.timers() });
    this.#waker.arm(session);
    this.#emit({ ...this.#head(session), ...change });
  }

  #socketProblem(session: SpeakerSession, code: string): void {
    countUp(session.socketErrors, code);
    // A peer that does not listen is the peer's state, which the session shows already.
    if (code === "ECONNREFUSED" || session.socketProblem === code) return;
    session.socketProblem = code;
    this.#emit({ ...this.#head(session), event: "transport", code });
  }

  #socketWorks(session: SpeakerSession): void {
    session.socketProblem = undefined;
    this.#emit({ ...this.#head(session), event: "transport", code: null });
  }

  #head(session: SpeakerSession): { name: string; owner: string; at: number } {
    return { name: session.spec.name, owner: session.spec.owner, at: this.#clock.wallMs() };
  }

  #emit(event: SpeakerEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
