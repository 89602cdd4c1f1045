import type { Socket } from "node:net";

/** What the two ends of a TCP connection are called; undefined once it is gone. */
type Ends = Pick<Socket, "remoteAddress" | "remotePort" | "localAddress" | "localPort">;

/**
 * The places for connections, one pool for all listeners. A full pool gives up the oldest connection on which nobody has
 * proven the key of a gateway yet, so that strangers who hold connections open, however idle or busy, keep no gateway
 * out: it comes in and proves its key long before as many strangers again have come behind it.
 */
export class ConnectionPool {
  readonly #max: number;
  /** In order of arrival. */
  readonly #strangers = new Map<string, Socket>();
  readonly #proven = new Map<string, Socket>();

  /** `max`: places, at least 1. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#strangers.size + this.#proven.size;
  }

  /** All connections, the strangers' first. */
  *sockets(): Generator<Socket> {
    yield* this.#strangers.values();
    yield* this.#proven.values();
  }

  /** Takes a new connection. Returns the one that has to give way for it, which may be itself. */
  add(socket: Socket): Socket | undefined {
    const key = keyOf(socket);
    this.#strangers.set(key, socket);
    socket.once("close", () => {
      // A new connection may have the same ends when an old one's end is told late.
      if (this.#strangers.get(key) === socket) this.#strangers.delete(key);
      if (this.#proven.get(key) === socket) this.#proven.delete(key);
    });
    if (this.size <= this.#max) return undefined;
    const [oldestKey, oldest] = this.#strangers.entries().next().value!;
    this.#strangers.delete(oldestKey);
    return oldest;
  }

  /** A gateway has proven its key over the connection with these ends. */
  proved(ends: Ends): void {
    const key = keyOf(ends);
    const socket = this.#strangers.get(key);
    if (socket === undefined) return;
    this.#strangers.delete(key);
    this.#proven.set(key, socket);
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
