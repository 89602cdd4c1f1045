import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type Clock, systemClock, type Timer } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { BFD_PACKET_BYTES, BFD_PORTS } from "@paddock/wire/bfd-packet.ts";
import { reflect, type Reflector, type ReflectProblem } from "./reflect.ts";
import type { SessionReport, SpeakerEvent } from "./speaker-events.ts";
import { Speaker } from "./speaker.ts";
import type { Listener } from "./transport.ts";

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
  /** Whether to answer a peer at all; default everyone. */
  readonly allow?: (address: string) => boolean;
}

export interface ReflectorOptions {
  readonly seamless?: SeamlessOptions;
  readonly passive?: PassiveOptions;
  readonly clock?: Clock;
}

export interface ReflectorReport {
  readonly reflected: number;
  readonly refused: Readonly<Partial<Record<ReflectProblem, number>>>;
  readonly sendErrors: number;
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
  readonly #refused: Partial<Record<ReflectProblem, number>> = {};
  /** One for all packets: nothing is made for one of them but what node:dgram makes. */
  readonly #seamless: Reflector;
  #reflected = 0;
  #sendErrors = 0;
  #sweep: Timer | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    const { discriminators = [], minIntervalMs = 10 } = options.seamless ?? {};
    this.#seamless = {
      discriminators: new Set(discriminators),
      requiredMinRxUs: minIntervalMs * 1000,
      disabled: false,
    };
    this.#clock = options.clock ?? systemClock;
    this.#speaker = new Speaker({ clock: this.#clock });
  }

  /** Binds everything and returns the seamless ports in the order of `listen`. Throws LISTEN_FAILED. */
  async start(): Promise<number[]> {
    const ports: number[] = [];
    for (const { address, port } of this.#options.seamless?.listen ?? []) {
      ports.push(await this.#listenSeamless(address, port ?? BFD_PORTS.seamless));
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
    return {
      reflected: this.#reflected,
      refused: { ...this.#refused },
      sendErrors: this.#sendErrors,
      peers: this.#speaker.report().sessions,
    };
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
    const onSent = (error: Error | null): void => {
      if (error !== null) this.#sendErrors++;
    };
    socket.on("message", (packet, from) => {
      const problem = reflect(packet, this.#seamless);
      if (problem !== undefined) {
        this.#refused[problem] = (this.#refused[problem] ?? 0) + 1;
        return;
      }
      this.#reflected++;
      // A part of a buffer costs a second one, and a question is seldom longer than its answer.
      const answer = packet.length === BFD_PACKET_BYTES ? packet : packet.subarray(0, BFD_PACKET_BYTES);
      socket.send(answer, from.port, from.address, onSent);
    });
    // Asked for before binding: without a resolver in the way, the event comes from within bind.
    const listening = once(socket, "listening");
    socket.bind({ address, port });
    try {
      await listening;
    } catch (error) {
      throw new PaddockError("LISTEN_FAILED", `BFD reflector on ${address} port ${port}: ${messageOf(error)}.`, {
        cause: error,
      });
    }
    socket.on("error", () => this.#sendErrors++);
    socket.setTTL(255);
    this.#sockets.push(socket);
    return socket.address().port;
  }

  #acceptAt(address: string): void {
    const { port, remotePort, intervalMs, detectMult, sessionsMax = 4096, allow = () => true } = this.#options.passive!;
    const listener = this.#speaker.acceptPeers(
      "multihop",
      address,
      ({ local, localPort, remote }) => {
        if (!allow(remote) || this.#speaker.sessionCount >= sessionsMax) return undefined;
        return {
          name: `${local} ${remote}`,
          kind: "multihop",
          local,
          remote,
          passive: true,
          localPort,
          ...(remotePort === undefined ? {} : { remotePort }),
          ...(intervalMs === undefined ? {} : { intervalMs }),
          ...(detectMult === undefined ? {} : { detectMult }),
        };
      },
      port,
    );
    this.#listeners.push(listener);
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
