import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type Clock, systemClock, type Timer } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import { bindPatiently } from "@paddock/base/patient-bind.ts";
import { BFD_PORTS } from "@paddock/wire/bfd-packet.ts";
import type { Reflector } from "./reflect.ts";
import { SeamlessResponder, type SeamlessProblem } from "./seamless-responder.ts";
import { addressFilter } from "./address-filter.ts";
import type { SessionReport, SpeakerEvent } from "./speaker-events.ts";
import { Speaker } from "./speaker.ts";
import type { Listener, Transport } from "./transport.ts";

/** Sessions of peers that have been silent this long are forgotten. */
const FORGET_AFTER_MS = 60_000;

export interface SeamlessOptions {
  /** One concrete address per entry: an answer must leave from the address that was asked. Port 0 takes a free one. */
  readonly listen: readonly { readonly address: string; readonly port?: number }[];
  /** What initiators have to ask for, 1 to 2^32-1. */
  readonly discriminators: readonly number[];
  /** The fastest pace that initiators may use, in milliseconds. Default 10. */
  readonly minIntervalMs?: number;
}

export interface PassiveOptions {
  /** Local addresses that gateways watch. */
  readonly addresses: readonly string[];
  readonly port?: number;
  /** Where answers go; differs from `port` in tests only. */
  readonly remotePort?: number;
  readonly intervalMs?: number;
  readonly detectMult?: number;
  readonly sessionsMax?: number;
  /** Addresses and prefixes (2001:db8::/32) that are answered; left out: everyone. */
  readonly allow?: readonly string[] | undefined;
}

export interface ReflectorOptions {
  readonly seamless?: SeamlessOptions;
  readonly passive?: PassiveOptions;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Of the passive sessions; UDP if left out. */
  readonly transport?: Transport;
}

export interface ReflectorReport {
  readonly reflected: number;
  readonly refused: Readonly<Partial<Record<SeamlessProblem, number>>>;
  readonly sendErrors: number;
  /** Multihop datagrams that belong to no session, by cause. */
  readonly strangers: Readonly<Record<string, number>>;
  readonly peers: readonly SessionReport[];
}

/**
 * The collector's side of BFD: answers seamless initiators without keeping anything about them, and passive multihop
 * sessions for gateways that prefer those.
 */
export class BfdReflector {
  readonly #options: ReflectorOptions;
  readonly #clock: Clock;
  readonly #speaker: Speaker;
  readonly #sockets: Socket[] = [];
  readonly #listeners: Listener[] = [];
  /** One for all packets: nothing is made for one of them but what node:dgram makes. */
  readonly #seamless: Reflector;
  readonly #responder: SeamlessResponder;
  #sweep: Timer | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    const { discriminators = [], minIntervalMs = 10 } = options.seamless ?? {};
    this.#seamless = {
      discriminators: new Set(discriminators),
      requiredMinRxUs: minIntervalMs * 1000,
      disabled: false,
    };
    this.#responder = new SeamlessResponder(this.#seamless);
    this.#clock = options.clock ?? systemClock;
    const transport = options.transport === undefined ? {} : { transport: options.transport };
    this.#speaker = new Speaker({ clock: this.#clock, ...transport });
  }

  /** Binds everything and returns the seamless ports in the order of `listen`. Throws LISTEN_FAILED. */
  async start(): Promise<number[]> {
    const ports: number[] = [];
    for (const { address, port } of this.#options.seamless?.listen ?? []) {
      const open = (): Promise<number> => this.#listenSeamless(address, port ?? BFD_PORTS.seamless);
      ports.push(await bindPatiently(open, { address, clock: this.#clock, log: this.#options.log ?? silentLog }));
    }
    for (const address of this.#options.passive?.addresses ?? []) this.#acceptAt(address);
    if (this.#options.passive !== undefined) this.#sweepLater();
    return ports;
  }

  subscribe(listener: (event: SpeakerEvent) => void): () => void {
    return this.#speaker.subscribe(listener);
  }

  /** Answers AdminDown from now on, so that initiators leave before the collector stops. */
  setDisabled(disabled: boolean): void {
    this.#seamless.disabled = disabled;
  }

  report(): ReflectorReport {
    const { reflected, refused, sendErrors } = this.#responder;
    const { sessions: peers, refused: strangers } = this.#speaker.report();
    return { reflected, refused: { ...refused }, sendErrors, strangers, peers };
  }

  async close(lingerMs?: number): Promise<void> {
    this.#sweep?.cancel();
    await this.#speaker.close(lingerMs);
    for (const listener of this.#listeners) listener.close();
    for (const socket of this.#sockets) socket.close();
  }

  async #listenSeamless(address: string, port: number): Promise<number> {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: `udp${family}`,
      // Answers go where a datagram came from, a literal address of the socket's own family: no resolver in the way.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    socket.on("message", (packet, from) => this.#responder.take(socket, packet, from));
    // Asked for before binding: without a resolver in the way, the event comes from within bind.
    const listening = once(socket, "listening");
    socket.bind({ address, port });
    try {
      await listening;
    } catch (error) {
      socket.close();
      throw new PaddockError("LISTEN_FAILED", `BFD reflector on ${address} port ${port}: ${messageOf(error)}.`, {
        cause: error,
      });
    }
    socket.on("error", () => this.#responder.sendErrors++);
    socket.setTTL(255);
    this.#sockets.push(socket);
    return socket.address().port;
  }

  #acceptAt(address: string): void {
    const { port, sessionsMax = 4096, allow, ...session } = this.#options.passive!;
    const { addresses: _addresses, ...timers } = session;
    const isAllowed = allow === undefined ? () => true : addressFilter(allow);
    const peers = { allows: isAllowed, hasRoom: () => this.#speaker.sessionCount < sessionsMax, session: timers };
    this.#listeners.push(this.#speaker.acceptPeers("multihop", address, peers, port));
  }

  #sweepLater(): void {
    this.#sweep = this.#clock.after(FORGET_AFTER_MS / 4, () => {
      for (const session of this.#speaker.report().sessions) {
        const silentMs = session.sinceLastPacketMs ?? Infinity;
        if (session.state !== "up" && silentMs > FORGET_AFTER_MS) this.#speaker.remove(session.name);
      }
      this.#sweepLater();
    });
  }
}
