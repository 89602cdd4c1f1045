import { Agent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { messageOf } from "@paddock/base/errors.ts";
import {
  BoundedBody,
  challengeIn,
  type ExchangeLimits,
  type ExchangeRequest,
  type ExchangeResponse,
  NotProcessed,
  type HttpExchange,
} from "./http-exchange.ts";

/** Opens one more connection; the first is there already. */
export type OpenSocket = () => Promise<TLSSocket>;

/** Connections that may end in a row without having answered anything before the exchange counts as lost. */
const ENDED_FOR_NOTHING_MAX = 3;
/** A connection that was idle for so long has ended for its age. */
const IDLE_LIFE_MS = 5000;

/**
 * HTTP/1.1 (RFC 9112) over kept-alive TLS connections, for an ingress that speaks nothing newer. Requests in flight take
 * a connection each. The other side may end a connection with an answer or between two requests (§9.3, §9.6), which says
 * nothing against the path: when the last one is gone the next is opened at once, and only if that cannot be had, or
 * connections end for nothing, the exchange counts as lost.
 */
export class Http1Exchange implements HttpExchange {
  readonly #agent: Agent;
  readonly #authority: URL;
  readonly #limits: ExchangeLimits;
  readonly #open: OpenSocket;
  readonly #sockets = new Set<TLSSocket>();
  readonly #openings = new Set<Promise<TLSSocket>>();
  /** A connection that no request has taken yet. */
  #spare: TLSSocket | undefined;
  /** It is being opened, and no request waits for it yet. */
  #following: Promise<TLSSocket> | undefined;
  /** Connections that waited for the request that is on them, so that their end may have met it. */
  readonly #waited = new WeakSet<Duplex>();
  #endedForNothing = 0;
  #bytesOfClosed = 0;
  #onClosed: ((detail: string) => void) | undefined;
  #lostDetail: string | undefined;
  #closed = false;

  constructor(authority: string, first: TLSSocket, open: OpenSocket, limits: ExchangeLimits, socketsMax: number) {
    this.#authority = new URL(authority);
    this.#limits = limits;
    this.#open = open;
    this.#track(first);
    this.#spare = first;
    this.#agent = new Agent({ keepAlive: true, maxSockets: socketsMax, maxFreeSockets: socketsMax });
    // The connections are bound and pinned by our own code; the agent only keeps them.
    this.#agent.createConnection = (_options, callback) => {
      const spare = this.#spare;
      this.#spare = undefined;
      if (spare !== undefined && !spare.destroyed) {
        this.#waited.add(spare);
        return spare;
      }
      const opening = this.#following ?? this.#openMore();
      this.#following = undefined;
      void handOver(opening, callback as HandOver);
      return undefined;
    };
  }

  request(request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeResponse> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error("the session is closed"));
        return;
      }
      const length = request.body === undefined ? {} : { "content-length": String(request.body.length) };
      const outgoing = httpsRequest({
        agent: this.#agent,
        host: this.#authority.hostname,
        port: this.#authority.port,
        method: request.method,
        path: request.path,
        headers: { ...request.headers, ...length, host: this.#authority.host },
        signal,
      });
      outgoing.setTimeout(this.#limits.requestIdleMs, () => {
        outgoing.destroy(new Error(`no answer within ${this.#limits.requestIdleMs} ms`));
      });
      let answering = false;
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        const kept = outgoing.reusedSocket || (outgoing.socket !== null && this.#waited.has(outgoing.socket));
        const cut = error.code === "ECONNRESET" || error.code === "EPIPE";
        // It may have met the end of a connection between two requests (§9.3.1).
        if (kept && cut && !answering) void this.#explainCut(error, reject);
        else reject(error);
      });
      outgoing.on("response", (incoming) => {
        answering = true;
        this.#endedForNothing = 0;
        const body = new BoundedBody(this.#limits.responseBytesMax);
        incoming.on("data", (chunk: Buffer) => {
          if (body.add(chunk)) return;
          outgoing.destroy(new Error(`the answer has more than ${this.#limits.responseBytesMax} bytes`));
        });
        incoming.on("error", reject);
        incoming.on("end", () => {
          const { statusCode, headers } = incoming;
          const challenge = challengeIn(headers);
          resolve({ status: statusCode ?? 0, retryAfter: headers["retry-after"], challenge, body: body.bytes() });
        });
      });
      outgoing.end(request.body);
    });
  }

  onClosed(callback: (detail: string) => void): void {
    this.#onClosed = callback;
    if (this.#lostDetail !== undefined) callback(this.#lostDetail);
  }

  /** Each connection ends for itself, and is followed by another. */
  onRetiring(): void {}

  bytesUsed(): number {
    let bytes = this.#bytesOfClosed;
    for (const socket of this.#sockets) bytes += socket.bytesRead + socket.bytesWritten;
    return bytes;
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #openMore(): Promise<TLSSocket> {
    const opening = this.#openTracked();
    this.#openings.add(opening);
    void this.#await(opening);
    return opening;
  }

  async #openTracked(): Promise<TLSSocket> {
    const socket = await this.#open();
    if (this.#closed) {
      // Nobody would close it any more.
      socket.destroy();
      throw new Error("the session is closed");
    }
    this.#track(socket);
    return socket;
  }

  async #await(opening: Promise<TLSSocket>): Promise<void> {
    try {
      await opening;
      this.#openings.delete(opening);
    } catch (error) {
      this.#openings.delete(opening);
      if (this.#sockets.size === 0 && this.#openings.size === 0) this.#lose(messageOf(error));
    }
  }

  #track(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.setKeepAlive(true, this.#limits.keepAliveMs);
    const openedMs = performance.now();
    let detail = "the connection was closed";
    socket.on("error", (error: Error) => (detail = error.message));
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#spare === socket) this.#spare = undefined;
      this.#bytesOfClosed += socket.bytesRead + socket.bytesWritten;
      if (performance.now() - openedMs > IDLE_LIFE_MS) this.#endedForNothing = 0;
      if (this.#sockets.size === 0 && !this.#closed) this.#follow(detail);
    });
  }

  /** The last connection is gone: whether the next one is to be had tells why. */
  #follow(detail: string): void {
    if (++this.#endedForNothing > ENDED_FOR_NOTHING_MAX) return this.#lose(detail);
    if (this.#openings.size > 0) return;
    const following = this.#openMore();
    this.#following = following;
    void this.#keepSpare(following);
  }

  /** Keeps what was opened for nobody, unless a request has come for it meanwhile. */
  async #keepSpare(following: Promise<TLSSocket>): Promise<void> {
    const [outcome] = await Promise.allSettled([following]);
    if (this.#following !== following) return;
    this.#following = undefined;
    if (outcome.status === "fulfilled") this.#spare = outcome.value;
  }

  /** Rejects a request that was cut, once it is known whether others go on: whether another connection is to be had tells. */
  async #explainCut(cut: Error, reject: (error: Error) => void): Promise<void> {
    // The end of a connection reaches its request before the exchange.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#sockets.size === 0) await Promise.allSettled(this.#openings);
    reject(this.#closed ? cut : new NotProcessed(`the connection had ended: ${cut.message}`, { cause: cut }));
  }

  #lose(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#agent.destroy();
    this.#lostDetail = detail;
    this.#onClosed?.(detail);
  }
}

type HandOver = (error: Error | null, socket?: Duplex) => void;

async function handOver(opening: Promise<TLSSocket>, done: HandOver): Promise<void> {
  const [outcome] = await Promise.allSettled([opening]);
  if (outcome.status === "fulfilled") done(null, outcome.value);
  else done(outcome.reason as Error);
}
