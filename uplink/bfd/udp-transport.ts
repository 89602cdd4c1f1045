import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Random } from "@paddock/base/random.ts";
import type { Channel, Listener, OnDatagram, OnProblem, Route, Sender, Transport } from "./transport.ts";

/** Source ports of BFD control packets, RFC 5881 §4. */
const SOURCE_PORT_FIRST = 49_152;
const SOURCE_PORT_COUNT = 16_384;
/** The hop limit that proves a packet was not forwarded (RFC 5881 §5); sent always, whatever the receiver checks. */
const HOP_LIMIT = 255;
/** How often a socket is tried again whose address is not there yet, or no more. */
const REOPEN_MS = 500;

/** Random ports that are tried one after the other before the socket waits as for any other reason. */
const PORT_DRAWS_MAX = 16;

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
  #remote: OpenOptions["remote"];
  /** Kept when the socket is opened again: all packets of a session come from one port (RFC 5881 §4). */
  #drawnPort: number | undefined;
  #draws = 0;
  #socket: Socket | undefined;
  #ready = false;
  #closed = false;
  #retry: Timer | undefined;

  constructor(options: OpenOptions, clock: Clock, random: Random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#remote = options.remote;
    this.#open();
  }

  /** To its peer, or to `to` where it has none. */
  send(packet: Uint8Array, to?: { readonly address: string; readonly port: number }): void {
    const socket = this.#socket;
    if (!this.#ready || socket === undefined) return;
    const onSent = (error: Error | null): void => {
      if (error !== null && socket === this.#socket) this.#failed(error);
    };
    this.#attempt(() => {
      if (to === undefined) socket.send(packet, onSent);
      else socket.send(packet, to.port, to.address, onSent);
    });
  }

  /** Goes on toward another address. */
  turn(address: string): void {
    if (this.#closed || this.#remote === undefined || this.#remote.address === address) return;
    this.#remote = { ...this.#remote, address };
    // One that waits to be opened opens toward the new address.
    if (this.#retry !== undefined) return;
    this.#shut();
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#shut();
  }

  #open(): void {
    const { local, port, onDatagram } = this.#options;
    const remote = this.#remote;
    const family = isIPv6(local) ? 6 : 4;
    const socket = createSocket({
      type: `udp${family}`,
      // Only literal addresses of the socket's own family: no resolver in the way.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    this.#socket = socket;
    socket.on("message", (datagram, from) => onDatagram(datagram, from.address));
    socket.on("error", (error) => {
      if (socket === this.#socket) this.#failed(error);
    });
    this.#drawnPort ??= port ?? SOURCE_PORT_FIRST + this.#random.below(SOURCE_PORT_COUNT);
    const onBound = (): void => {
      if (socket !== this.#socket) return;
      this.#attempt(() => {
        socket.setTTL(HOP_LIMIT);
        if (remote === undefined) {
          this.#works();
          return;
        }
        // A connected socket sends without a look-up, takes datagrams of its peer alone, and hears of ICMP errors.
        socket.once("connect", () => {
          if (socket === this.#socket) this.#works();
        });
        socket.connect(remote.port, remote.address);
      });
    };
    // Never within bind itself, which has not returned then.
    socket.bind({ address: local, port: this.#drawnPort, exclusive: true }, () => setImmediate(onBound));
  }

  #works(): void {
    this.#ready = true;
    this.#draws = 0;
  }

  /** What node:dgram throws is a failure like those it reports. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
  }

  #failed(error: NodeJS.ErrnoException): void {
    const code = error.code ?? messageOf(error);
    const opening = !this.#ready;
    if (opening && code === "EADDRINUSE" && this.#options.port === undefined) {
      // Somebody has the random port: another one, at once and without a word, unless it goes on like that.
      this.#drawnPort = undefined;
      if (++this.#draws < PORT_DRAWS_MAX && !this.#closed) {
        this.#shut();
        this.#open();
        return;
      }
      this.#draws = 0;
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

  sender(local: string, onProblem: OnProblem): Sender {
    const socket = new LastingSocket(
      { local, port: undefined, onDatagram: () => {}, onProblem },
      this.#clock,
      this.#random,
    );
    return {
      send: (packet, remote, remotePort) => socket.send(packet, { address: remote, port: remotePort }),
      close: () => socket.close(),
    };
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
