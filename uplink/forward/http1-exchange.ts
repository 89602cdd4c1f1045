import { Agent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  BoundedBody,
  challengeIn,
  type ExchangeLimits,
  type ExchangeRequest,
  type ExchangeResponse,
  type HttpExchange,
} from "./http-exchange.ts";

/** Opens one more connection; the first is there already. */
export type OpenSocket = () => Promise<TLSSocket>;

/**
 * HTTP/1.1 (RFC 9112) over kept-alive TLS connections, for an ingress that speaks nothing newer. Requests in flight take
 * a connection each; the exchange counts as lost when the last connection is gone.
 */
export class Http1Exchange implements HttpExchange {
  readonly #agent: Agent;
  readonly #authority: URL;
  readonly #limits: ExchangeLimits;
  readonly #sockets = new Set<TLSSocket>();
  #bytesOfClosed = 0;
  #onClosed: ((detail: string) => void) | undefined;
  #lostDetail: string | undefined;
  #closed = false;

  constructor(authority: string, first: TLSSocket, open: OpenSocket, limits: ExchangeLimits, socketsMax: number) {
    this.#authority = new URL(authority);
    this.#limits = limits;
    let ready: TLSSocket | undefined = first;
    this.#track(first);
    this.#agent = new Agent({ keepAlive: true, maxSockets: socketsMax, maxFreeSockets: socketsMax });
    // The connections are bound and pinned by our own code; the agent only keeps them.
    this.#agent.createConnection = (_options, callback) => {
      const given = ready;
      ready = undefined;
      const done = callback as (error: Error | null, socket?: Duplex) => void;
      if (given !== undefined && !given.destroyed) return given;
      void this.#openMore(open, done);
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
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
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

  /** Each connection ends after an answer of its own; the agent opens another. */
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

  async #openMore(open: OpenSocket, done: (error: Error | null, socket?: Duplex) => void): Promise<void> {
    let socket: TLSSocket;
    try {
      socket = await open();
    } catch (error) {
      done(error as Error);
      return;
    }
    if (this.#closed) {
      // Nobody would close it any more.
      socket.destroy();
      done(new Error("the session is closed"));
      return;
    }
    this.#track(socket);
    done(null, socket);
  }

  #track(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.setKeepAlive(true, this.#limits.keepAliveMs);
    let detail = "the connection was closed";
    socket.on("error", (error: Error) => (detail = error.message));
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#bytesOfClosed += socket.bytesRead + socket.bytesWritten;
      if (this.#sockets.size > 0 || this.#closed) return;
      this.#closed = true;
      this.#agent.destroy();
      this.#lostDetail = detail;
      this.#onClosed?.(detail);
    });
  }
}
