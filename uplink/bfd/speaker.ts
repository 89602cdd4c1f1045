import { type Clock, systemClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { type Random, systemRandom } from "@paddock/base/random.ts";
import { decodeBfdPacket, type DecodedBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { admit, type RefusalCause } from "./admission.ts";
import { Heartbeat } from "./heartbeat.ts";
import { CALM_SECONDS, holdChange } from "./ladder.ts";
import { type Arrival, arrivalKey, canonicalAddress, SessionDirectory } from "./session-directory.ts";
import { recordChange, type StateChange } from "./state-event.ts";
import type { MachineView } from "./machine.ts";
import type { SessionEvent } from "./session.ts";
import {
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
import type { Listener, Transport } from "./transport.ts";
import { UdpTransport } from "./udp-transport.ts";

/** Rounds of reading before silence is believed: one round reads some 32 datagrams of a socket. */
const DRAIN_ROUNDS_MAX = 64;
/** Timers count in milliseconds and may be one off; what is left before a detection is spent reading. */
const TIMER_GRAIN_US = 1500;

export interface SpeakerOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly transport?: Transport;
  readonly ports?: Partial<PortSet>;
  /** Runs the callback after sockets have been read once; setImmediate. */
  readonly afterReading?: (callback: () => void) => void;
}

/** Gives the session to make for an unknown peer, or undefined to refuse it. */
export type AcceptPeer = (arrival: Arrival) => SessionSpecInput | undefined;

/** A BFD speaker: sessions over sockets. Usable on its own; docs/bfd.md shows how. */
export class Speaker {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #transport: Transport;
  readonly #ports: PortSet;
  readonly #afterReading: (callback: () => void) => void;
  readonly #sessions: SessionDirectory;
  readonly #listeners = new Set<(event: SpeakerEvent) => void>();
  readonly #acceptors = new Map<string, AcceptPeer>();
  readonly #refused = new Map<string, number>();
  readonly #stalls = new StallMeter();
  #datagrams = 0;
  readonly #heartbeat: Heartbeat;

  constructor(options: SpeakerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#transport = options.transport ?? new UdpTransport(this.#clock, this.#random);
    this.#ports = { ...REGISTERED_PORTS, ...options.ports };
    this.#sessions = new SessionDirectory(this.#ports);
    this.#heartbeat = new Heartbeat(this.#clock, this.#stalls, {
      fastestUs: () => this.#fastestUs(),
      everySecond: (nowUs) => {
        for (const session of this.#sessions.all()) this.#hold(session, nowUs);
      },
    });
    this.#afterReading = options.afterReading ?? ((callback) => setImmediate(callback));
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
    this.#sessions.checkFree(spec);
    const session = new SpeakerSession(
      spec,
      this.#sessions.peerKey(spec),
      this.#sessions.freeDiscriminator(this.#random),
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
    this.#arm(session);
    this.#heartbeat.start();
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
      sessions: this.#sessions.all().map((session) => session.report(nowUs)),
      refused: Object.fromEntries(this.#refused),
      stalls: this.#stalls.report(nowUs),
    };
  }

  /** Takes packets of peers that no session is configured for; `acceptPeer` decides about each. */
  acceptPeers(kind: "single-hop" | "multihop", local: string, acceptPeer: AcceptPeer, port?: number): Listener {
    const localPort = port ?? (kind === "multihop" ? this.#ports.multihop : this.#ports.singleHop);
    const at = canonicalAddress(local);
    const where = `${kind} ${at} ${localPort}`;
    this.#acceptors.set(where, acceptPeer);
    const listener = this.#transport.listen(
      local,
      localPort,
      (datagram, from) => this.receive({ kind, local: at, localPort, remote: from }, datagram),
      (code) => countUp(this.#refused, code),
    );
    return {
      close: () => {
        this.#acceptors.delete(where);
        listener.close();
      },
    };
  }

  /** Switches every session off, gives the peers `lingerMs` to hear of it, and closes all sockets. */
  async close(lingerMs = 1100): Promise<void> {
    // Probes have nobody to tell: the far end keeps no state.
    const upBefore = this.#sessions
      .all()
      .some(({ machine, listener }) => listener !== undefined && machine.view().state === "up");
    for (const session of this.#sessions.all()) this.#step(session, { kind: "disable" });
    // One loss must not turn a planned stop into a failure: the next regular packet repeats the word.
    if (upBefore && lingerMs > 0) await new Promise<void>((done) => this.#clock.after(lingerMs, done));
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
        ? (this.#sessions.byArrival(arrival) ?? this.#accepted(arrival))
        : this.#sessions.byDiscriminator(packet.yourDiscriminator);
    if (session === undefined) {
      return countUp(this.#refused, packet.yourDiscriminator === 0 ? "no-session" : "unknown-session");
    }
    if (session.peerKey !== arrivalKey(arrival)) return countUp(session.refused, "wrong-peer" satisfies RefusalCause);
    this.#admit(session, packet, datagram);
  }

  #answer(session: SpeakerSession, datagram: Buffer): void {
    this.#datagrams++;
    const decoded = decodeBfdPacket(datagram);
    if (!decoded.ok) return countUp(session.refused, decoded.reason);
    this.#admit(session, decoded.value, datagram);
  }

  #admit(session: SpeakerSession, packet: DecodedBfdPacket, datagram: Buffer): void {
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
    if (!outcome.ok) return countUp(session.refused, outcome.reason);
    session.replay = outcome.value;
    session.noteReceived(datagram.length, nowUs);
    if (session.socketProblem !== undefined) this.#socketWorks(session);
    this.#step(session, { kind: "packet", packet });
    session.replayUntilUs = nowUs + 2 * session.machine.view().detectionTimeUs;
    this.#arm(session);
  }

  #accepted(arrival: Arrival): SpeakerSession | undefined {
    const where = `${arrival.kind} ${arrival.local} ${arrival.localPort}`;
    const input = this.#acceptors.get(where)?.(arrival);
    if (input === undefined) return undefined;
    try {
      this.add(input);
    } catch (error) {
      // Whom a peer claims to be is outside input: an impossible session is one more packet refused.
      if (!(error instanceof PaddockError)) throw error;
    }
    return this.#sessions.byArrival(arrival);
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
    this.#arm(session);
    this.#heartbeat.start();
  }

  #step(session: SpeakerSession, event: SessionEvent): void {
    const nowUs = this.#clock.monotonicUs();
    const before = session.machine.view();
    for (const output of session.machine.step(event, nowUs)) {
      if (output.kind === "send") session.send(output.packet, nowUs);
      else if (output.kind === "drain") this.#drain(session);
      else this.#changed(session, before, output, nowUs);
    }
    const after = session.machine.view();
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

  /** Reads until nothing new comes, then lets the machine judge the silence. */
  #drain(session: SpeakerSession): void {
    if (session.draining) return;
    session.draining = true;
    const round = (seen: number, left: number): void => {
      this.#afterReading(() => {
        if (session.closed) return;
        if (this.#datagrams !== seen && left > 0) return round(this.#datagrams, left - 1);
        session.draining = false;
        this.#step(session, { kind: "drained" });
        this.#arm(session);
      });
    };
    round(this.#datagrams, DRAIN_ROUNDS_MAX);
  }

  /** One timer a session: moved only when it has to fire earlier, because each packet moves the detection later. */
  #arm(session: SpeakerSession): void {
    if (session.draining || session.closed) return;
    const wakeUs = session.machine.wakeAtUs();
    if (wakeUs === undefined || session.timerDueUs <= wakeUs) return;
    session.timer?.cancel();
    const nowUs = this.#clock.monotonicUs();
    const leftUs = wakeUs - nowUs;
    const detects = wakeUs === session.machine.detectAtUs();
    if (detects && leftUs < TIMER_GRAIN_US) {
      session.timer = undefined;
      session.timerDueUs = wakeUs;
      this.#afterReading(() => this.#wake(session, wakeUs));
      return;
    }
    // Packets may leave up to a grain late; a detection comes early and covers the rest by reading.
    const delayMs = Math.max(0, detects ? Math.floor(leftUs / 1000) : Math.ceil(leftUs / 1000));
    const dueUs = nowUs + delayMs * 1000;
    session.timerDueUs = dueUs;
    session.timer = this.#clock.after(delayMs, () => {
      this.#stalls.note(dueUs, this.#clock.monotonicUs());
      this.#wake(session, dueUs);
    });
  }

  #wake(session: SpeakerSession, dueUs: number): void {
    // A wake that was overtaken by an earlier one cannot be cancelled while it waits for reading.
    if (session.closed || session.timerDueUs !== dueUs) return;
    session.timerDueUs = Infinity;
    this.#step(session, { kind: "tick" });
    this.#arm(session);
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
    this.#arm(session);
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
