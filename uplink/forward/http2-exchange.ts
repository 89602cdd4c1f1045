import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import {
  BoundedBody,
  challengeIn,
  NotProcessed,
  type ExchangeLimits,
  type ExchangeRequest,
  type ExchangeResponse,
  type HttpExchange,
} from "./http-exchange.ts";

/** HTTP/2 (RFC 9113) over a TLS socket that has agreed on it. */
export class Http2Exchange implements HttpExchange {
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #limits: ExchangeLimits;
  readonly #keepAlive: NodeJS.Timeout;
  #answerTimer: NodeJS.Timeout | undefined;
  #closedDetail: string | undefined;
  #lostDetail: string | undefined;
  #onClosed: ((detail: string) => void) | undefined;
  #retiringDetail: string | undefined;
  #onRetiring: ((detail: string) => void) | undefined;
  #bytesAtEnd = 0;
  #closed = false;

  constructor(authority: string, socket: TLSSocket, limits: ExchangeLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#session = connect(authority, {
      createConnection: () => socket,
      // Receipts are small; what matters is the collector's window for our uploads.
      settings: { enablePush: false },
    });
    this.#session.on("error", (error: Error) => (this.#closedDetail ??= error.message));
    this.#session.on("goaway", (code: number) => {
      this.#closedDetail ??= `the collector ended the session (GOAWAY ${code})`;
      // What the collector does not answer any more goes out again on the next session; it compares what it holds.
      if (code === constants.NGHTTP2_NO_ERROR) this.#retire(this.#closedDetail);
      else this.#session.destroy();
    });
    socket.on("close", () => (this.#bytesAtEnd = countBytes(socket)));
    this.#session.on("close", () => this.#lost());
    this.#keepAlive = setInterval(() => this.#ping(), limits.keepAliveMs);
    this.#keepAlive.unref();
  }

  request(request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeResponse> {
    return new Promise((resolve, reject) => {
      if (this.#closed || this.#session.closed || this.#session.destroyed || signal.aborted) {
        const detail = this.#closedDetail ?? "the session is closed";
        reject(this.#retiringDetail === undefined ? new Error(detail) : new NotProcessed(detail));
        return;
      }
      const stream = this.#session.request(
        { ...request.headers, ":method": request.method, ":path": request.path },
        { endStream: request.body === undefined },
      );
      const abort = () => stream.close(constants.NGHTTP2_CANCEL);
      signal.addEventListener("abort", abort, { once: true });
      exchange(stream, request, this.#limits)
        .then(resolve, (error: Error) => reject(this.#explain(error)))
        .finally(() => signal.removeEventListener("abort", abort));
    });
  }

  onClosed(callback: (detail: string) => void): void {
    this.#onClosed = callback;
    if (this.#lostDetail !== undefined) callback(this.#lostDetail);
  }

  onRetiring(callback: (detail: string) => void): void {
    this.#onRetiring = callback;
    if (this.#retiringDetail !== undefined) callback(this.#retiringDetail);
  }

  bytesUsed(): number {
    return this.#bytesAtEnd > 0 ? this.#bytesAtEnd : countBytes(this.#socket);
  }

  close(): void {
    this.#closed = true;
    this.#stopTimers();
    if (!this.#session.destroyed) this.#session.destroy();
  }

  /** Node ends the session by itself once the streams that the collector took have ended. */
  #retire(detail: string): void {
    if (this.#closed || this.#retiringDetail !== undefined) return;
    this.#retiringDetail = detail;
    this.#onRetiring?.(detail);
  }

  #explain(error: Error): Error {
    // A connection that ends with its session proves nothing about what was on it, and sending it again is safe.
    if (this.#retiringDetail !== undefined || error instanceof NotProcessed)
      return new NotProcessed(this.#closedDetail ?? error.message, { cause: error });
    return this.#closedDetail === undefined ? error : new Error(this.#closedDetail, { cause: error });
  }

  #ping(): void {
    if (this.#answerTimer !== undefined || this.#session.destroyed) return;
    this.#answerTimer = setTimeout(() => {
      this.#session.destroy(new Error(`no answer to a ping within ${this.#limits.keepAliveAnswerMs} ms`));
    }, this.#limits.keepAliveAnswerMs);
    this.#answerTimer.unref();
    try {
      this.#session.ping(() => {
        clearTimeout(this.#answerTimer);
        this.#answerTimer = undefined;
      });
    } catch (error) {
      this.#session.destroy(error as Error);
    }
  }

  #lost(): void {
    this.#stopTimers();
    if (this.#closed) return;
    this.#closed = true;
    this.#lostDetail = this.#closedDetail ??= "the connection was closed";
    this.#onClosed?.(this.#lostDetail);
  }

  #stopTimers(): void {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#answerTimer);
  }
}

function countBytes(socket: TLSSocket): number {
  return socket.bytesRead + socket.bytesWritten;
}

function exchange(
  stream: ClientHttp2Stream,
  request: ExchangeRequest,
  limits: ExchangeLimits,
): Promise<ExchangeResponse> {
  return new Promise((resolve, reject) => {
    const body = new BoundedBody(limits.responseBytesMax);
    let status = 0;
    let retryAfter: string | undefined;
    let challenge: string | undefined;
    let stated: number | undefined;
    let fault: Error | undefined;
    stream.setTimeout(limits.requestIdleMs, () => {
      fault ??= new Error(`no answer within ${limits.requestIdleMs} ms`);
      stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0;
      retryAfter = headers["retry-after"];
      challenge = challengeIn(headers);
      const length = headers["content-length"];
      stated = length === undefined ? undefined : Number(length);
    });
    stream.on("data", (chunk: Buffer) => {
      if (body.add(chunk)) return;
      fault ??= new Error(`the answer has more than ${limits.responseBytesMax} bytes`);
      stream.close(constants.NGHTTP2_CANCEL);
    });
    let ended = false;
    stream.on("end", () => (ended = true));
    stream.on("error", (error: Error) => (fault ??= error));
    stream.on("close", () => {
      // A session that is torn down ends its streams as if their bodies were complete: the stated length tells.
      const whole = stated === undefined ? stream.rstCode === constants.NGHTTP2_NO_ERROR : body.length === stated;
      if (fault === undefined && ended && status > 0 && whole)
        resolve({ status, retryAfter, challenge, body: body.bytes() });
      else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) reject(new NotProcessed("the stream was refused"));
      else reject(fault ?? new Error(`the stream was closed (code ${stream.rstCode ?? 0}) before a whole answer`));
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}
