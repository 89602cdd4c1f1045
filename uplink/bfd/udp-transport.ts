import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Random } from "@paddock/base/random.ts";
import type { Channel, Listener, OnDatagram, OnProblem, Route, Transport } from "./transport.ts";

/** Source ports of BFD control packets, RFC 5881 §4. */
const SOURCE_PORT_FIRST = 49_152;
const SOURCE_PORT_COUNT = 16_384;
/** The hop limit that proves a packet was not forwarded (RFC 5881 §5); sent always, whatever the receiver checks. */
const HOP_LIMIT = 255;
/** How often a socket is tried again whose address is not there yet, or no more. */
const REOPEN_MS = 500;

/** Failures of a send that mean that the socket belongs to an address or interface of the past. */
const STALE_CODES: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "ENODEV", "EINVAL"]);

interface OpenOptions {
  readonly local: string;
  /** Undefined: a free one from the range of RFC 5881. */
  readonly port: number | undefined;
  readonly remote?: { readonly address: string; readonly port: number };
  readonly onDatagram: OnDatagram;
  readonly onProblem: OnProblem;
}

/**
 * A socket that survives everything: it is opened again while its address is missing, ICMP errors that come back to it
 * are reported and not thrown, and a send never waits.
 */
class LastingSocket {
  readonly #options: OpenOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  #socket: Socket | undefined;
  #ready = false;
  #closed = false;
  #retry: Timer | undefined;

  constructor(options: OpenOptions, clock: Clock, random: Random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#open();
  }

  send(packet: Uint8Array): void {
    if (!this.#ready) return;
    this.#socket!.send(packet, (error) => {
      if (error !== null) this.#failed(error);
    });
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#shut();
  }

  #open(): void {
    const { local, port, remote, onDatagram } = this.#options;
    const socket = createSocket({ type: isIPv6(local) ? "udp6" : "udp4" });
    this.#socket = socket;
    socket.on("message", (datagram, from) => onDatagram(datagram, from.address));
    socket.on("error", (error) => {
      if (socket === this.#socket) this.#failed(error);
    });
    const chosen = port ?? SOURCE_PORT_FIRST + this.#random.below(SOURCE_PORT_COUNT);
    socket.bind({ address: local, port: chosen, exclusive: true }, () => {
      if (socket !== this.#socket) return;
      socket.setTTL(HOP_LIMIT);
      if (remote === undefined) {
        this.#ready = true;
        return;
      }
      // A connected socket sends without a look-up, takes datagrams of its peer alone, and hears of ICMP errors.
      socket.once("connect", () => {
        this.#ready = socket === this.#socket;
      });
      socket.connect(remote.port, remote.address);
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    const code = error.code ?? messageOf(error);
    const opening = !this.#ready;
    // Somebody has the random port: another one, at once and without a word.
    if (opening && code === "EADDRINUSE" && this.#options.port === undefined) {
      this.#shut();
      this.#open();
      return;
    }
    this.#options.onProblem(code);
    if (this.#closed || this.#retry !== undefined || (!opening && !STALE_CODES.has(code))) return;
    this.#shut();
    this.#retry = this.#clock.after(REOPEN_MS, () => {
      this.#retry = undefined;
      this.#open();
    });
  }

  #shut(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#ready = false;
    try {
      socket?.close();
    } catch {
      // It failed before it was open, which leaves nothing to close.
    }
  }
}

interface Shared {
  readonly socket: LastingSocket;
  readonly users: Map<symbol, { onDatagram: OnDatagram; onProblem: OnProblem }>;
}

/** BFD over node:dgram. Received hop limits are out of its sight: a packet filter has to check them (docs/bfd.md). */
export class UdpTransport implements Transport {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Map<string, Shared>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  listen(local: string, port: number, onDatagram: OnDatagram, onProblem: OnProblem): Listener {
    const key = `${local} ${port}`;
    const shared = this.#listeners.get(key) ?? this.#share(key, local, port);
    const user = Symbol(key);
    shared.users.set(user, { onDatagram, onProblem });
    return {
      close: () => {
        shared.users.delete(user);
        if (shared.users.size > 0 || this.#listeners.get(key) !== shared) return;
        this.#listeners.delete(key);
        shared.socket.close();
      },
    };
  }

  connect(route: Route, onDatagram: OnDatagram, onProblem: OnProblem): Channel {
    return new LastingSocket(
      {
        local: route.local,
        port: route.localPort,
        remote: { address: route.remote, port: route.remotePort },
        onDatagram,
        onProblem,
      },
      this.#clock,
      this.#random,
    );
  }

  #share(key: string, local: string, port: number): Shared {
    const users: Shared["users"] = new Map();
    const socket = new LastingSocket(
      {
        local,
        port,
        // All users of one listener hand packets to the same demultiplexer, so one of them is enough.
        onDatagram: (datagram, from) => users.values().next().value?.onDatagram(datagram, from),
        onProblem: (code) => {
          for (const user of users.values()) user.onProblem(code);
        },
      },
      this.#clock,
      this.#random,
    );
    const shared = { socket, users };
    this.#listeners.set(key, shared);
    return shared;
  }
}
