import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { systemClock, type Clock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Target } from "../send/endpoint-pool.ts";
import { DeliveryQueue } from "./delivery.ts";
import type { LinkState } from "./link-state.ts";
import { StreamPipe } from "./stream-pipe.ts";

interface Stream {
  readonly client: Socket;
  upstream: Socket | undefined;
  pipes: readonly StreamPipe[];
}

/**
 * Relays TCP streams. While the link is a black hole, streams stall, and a new connection is not carried to the target
 * until the link heals. The kernel of this machine completes its handshake all the same, which no user-space relay can
 * prevent; so a client sees a connection on which nothing ever comes.
 */
export class TcpRelay {
  readonly #server: Server;
  readonly #state: LinkState;
  readonly #target: Target;
  readonly #queue: DeliveryQueue;
  readonly #streams = new Set<Stream>();
  #opened = 0;

  private constructor(server: Server, state: LinkState, target: Target, clock: Clock) {
    this.#server = server;
    this.#state = state;
    this.#target = target;
    this.#queue = new DeliveryQueue(clock);
    server.on("connection", (client: Socket) => this.#accept(client));
    state.onCutOrHeal(this.#follow);
  }

  /** Throws LISTEN_FAILED. */
  static async open(listen: Target, target: Target, state: LinkState, clock: Clock = systemClock): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: listen.address, port: listen.port, ipv6Only: true }, resolve);
      });
    } catch (error) {
      throw new PaddockError(
        "LISTEN_FAILED",
        `The link cannot listen on TCP [${listen.address}]:${listen.port}: ${messageOf(error)}.`,
        { cause: error },
      );
    }
    server.removeAllListeners("error");
    return new TcpRelay(server, state, target, clock);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get stats() {
    return { streams: this.#streams.size, opened: this.#opened };
  }

  close(): void {
    this.#state.forget(this.#follow);
    this.#queue.clear();
    this.#server.close();
    for (const { client, upstream } of this.#streams) {
      client.destroy();
      upstream?.destroy();
    }
    this.#streams.clear();
  }

  #accept(client: Socket): void {
    client.on("error", () => {});
    if (this.#state.resetsStreams) {
      client.resetAndDestroy();
      return;
    }
    const stream: Stream = { client, upstream: undefined, pipes: [] };
    this.#opened++;
    this.#streams.add(stream);
    client.on("close", () => this.#gone(stream, client));
    if (!this.#state.streamsStall) this.#carry(stream);
  }

  /** Connections open without delay on both sides; the first bytes are the first to take the link's time. */
  #carry(stream: Stream): void {
    const { client } = stream;
    const upstream = connect({
      host: this.#target.address,
      port: this.#target.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    stream.upstream = upstream;
    upstream.pause();
    upstream.on("error", () => {});
    upstream.on("close", () => this.#gone(stream, upstream));
    stream.pipes = [
      new StreamPipe(client, upstream, "to-target", this.#state, this.#queue),
      new StreamPipe(upstream, client, "from-target", this.#state, this.#queue),
    ];
    for (const pipe of stream.pipes) pipe.throttle();
  }

  /** A side that broke takes the other along; one that ended in order has sent its end through the pipe already. */
  #gone(stream: Stream, side: Socket): void {
    const other = side === stream.client ? stream.upstream : stream.client;
    if (other === undefined || other.destroyed) {
      this.#streams.delete(stream);
      return;
    }
    const inOrder = side.readableEnded && side.writableFinished;
    if (!inOrder && !this.#state.streamsStall) other.resetAndDestroy();
  }

  readonly #follow = (): void => {
    for (const stream of this.#streams) {
      if (this.#state.resetsStreams) {
        stream.client.resetAndDestroy();
        stream.upstream?.resetAndDestroy();
        continue;
      }
      if (this.#state.streamsStall) {
        for (const pipe of stream.pipes) pipe.throttle();
        continue;
      }
      if (stream.upstream === undefined && !stream.client.destroyed) {
        this.#carry(stream);
        continue;
      }
      // While the link was cut, one side may have gone without the other learning of it.
      if (stream.client.destroyed && stream.upstream?.destroyed === false) this.#gone(stream, stream.client);
      else if (stream.upstream?.destroyed === true) this.#gone(stream, stream.upstream);
      for (const pipe of stream.pipes) {
        pipe.deliver();
        pipe.throttle();
      }
    }
  };
}
