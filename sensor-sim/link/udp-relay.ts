import { createSocket, type Socket } from "node:dgram";
import { systemClock, type Clock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Target } from "../send/endpoint-pool.ts";
import { DeliveryQueue } from "./delivery.ts";
import type { Direction, LinkState } from "./link-state.ts";

const CLIENTS_MAX = 4096;
const IDLE_MS = 120_000;
const SWEEP_MS = 10_000;
const SOCKET_BUFFER_BYTES = 1024 * 1024;

interface Client {
  readonly upstream: Socket;
  readonly port: number;
  readonly address: string;
  usedMs: number;
}

/**
 * Relays datagrams both ways. Each client has a socket of its own towards the target, so that the target tells clients
 * apart by port as it would without the relay; their addresses it cannot see. The one idle longest goes when there are
 * too many.
 */
export class UdpRelay {
  readonly #socket: Socket;
  readonly #state: LinkState;
  readonly #target: Target;
  readonly #queue: DeliveryQueue;
  /** By address and port; in order of use, the oldest first. */
  readonly #clients = new Map<string, Client>();
  readonly #sweep: NodeJS.Timeout;
  #carried = 0;
  #dropped = 0;
  #closed = false;

  private constructor(socket: Socket, state: LinkState, target: Target, clock: Clock) {
    this.#socket = socket;
    this.#state = state;
    this.#target = target;
    this.#queue = new DeliveryQueue(clock);
    socket.on("message", (datagram, { address, port }) => this.#fromClient(datagram, address, port));
    socket.on("error", () => this.#dropped++);
    this.#sweep = setInterval(() => this.#dropIdle(), SWEEP_MS).unref();
  }

  /** Throws LISTEN_FAILED. */
  static async open(listen: Target, target: Target, state: LinkState, clock: Clock = systemClock): Promise<UdpRelay> {
    const socket = createSocket({
      type: "udp6",
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind({ address: listen.address, port: listen.port }, resolve);
      });
    } catch (error) {
      socket.close();
      throw new PaddockError(
        "LISTEN_FAILED",
        `The link cannot listen on UDP [${listen.address}]:${listen.port}: ${messageOf(error)}.`,
        { cause: error },
      );
    }
    socket.removeAllListeners("error");
    return new UdpRelay(socket, state, target, clock);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get stats() {
    return { clients: this.#clients.size, carried: this.#carried, dropped: this.#dropped, waiting: this.#queue.size };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#queue.clear();
    this.#socket.close();
    for (const { upstream } of this.#clients.values()) upstream.close();
    this.#clients.clear();
  }

  #fromClient(datagram: Buffer, address: string, port: number): void {
    const key = `${address} ${port}`;
    let client = this.#clients.get(key);
    if (client === undefined) client = this.#openClient(address, port);
    else this.#clients.delete(key);
    this.#clients.set(key, client);
    client.usedMs = this.#queue.nowMs;
    const { upstream } = client;
    this.#carry("to-target", datagram.length, () => {
      upstream.send(datagram, this.#target.port, this.#target.address);
    });
  }

  #openClient(address: string, port: number): Client {
    if (this.#clients.size >= CLIENTS_MAX) this.#drop(this.#clients.keys().next().value!);
    const upstream = createSocket({ type: "udp6", recvBufferSize: SOCKET_BUFFER_BYTES });
    const client: Client = { upstream, address, port, usedMs: 0 };
    upstream.on("error", () => this.#dropped++);
    upstream.on("message", (datagram) => {
      client.usedMs = this.#queue.nowMs;
      this.#carry("from-target", datagram.length, () => this.#socket.send(datagram, port, address));
    });
    return client;
  }

  #carry(direction: Direction, bytes: number, deliver: () => void): void {
    if (this.#state.isCut(direction)) {
      this.#dropped++;
      return;
    }
    const arrivals = this.#state.direction(direction).datagram(bytes, this.#queue.nowMs);
    if (arrivals.length === 0) this.#dropped++;
    for (const atMs of arrivals) {
      this.#queue.at(atMs, () => {
        // What was on the wire when the link was cut does not arrive either.
        if (this.#closed || this.#state.isCut(direction)) {
          this.#dropped++;
          return;
        }
        this.#carried++;
        try {
          deliver();
        } catch {
          // The client was dropped as idle while its datagram was on the way.
          this.#dropped++;
        }
      });
    }
  }

  #dropIdle(): void {
    const limitMs = this.#queue.nowMs - IDLE_MS;
    for (const [key, { usedMs }] of this.#clients) if (usedMs < limitMs) this.#drop(key);
  }

  #drop(key: string): void {
    this.#clients.get(key)?.upstream.close();
    this.#clients.delete(key);
  }
}
