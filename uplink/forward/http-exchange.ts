/** One HTTP request to the collector, whichever version of HTTP carries it. */
export interface ExchangeRequest {
  readonly method: "GET" | "POST";
  /** Absolute path. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface ExchangeResponse {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** What the collector wants signed (docs/protocol.md §3.5). */
  readonly challenge: string | undefined;
  readonly body: Buffer;
}

export function challengeIn(headers: Readonly<Record<string, unknown>>): string | undefined {
  const value = headers["paddock-challenge"];
  return typeof value === "string" ? value : undefined;
}

/** A connection that carries HTTP requests. */
export interface HttpExchange {
  /**
   * Rejects when there is no whole answer: broken connection, abort, time-out, or a body beyond the bound; with
   * `NotProcessed` when the other side has not looked at the request.
   */
  request(request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeResponse>;
  /** Registers the callback for "the connection is gone"; called once, and not after `close`. */
  onClosed(callback: (detail: string) => void): void;
  /** Registers the callback for "the other side takes no new requests on this connection". */
  onRetiring(callback: (detail: string) => void): void;
  bytesUsed(): number;
  close(): void;
}

/** The other side has not looked at the request and never will (RFC 9113 §6.8, §8.7): it may go out again at once. */
export class NotProcessed extends Error {}

export interface ExchangeLimits {
  /** Silence on a request, with nothing sent or received, after which it has failed. */
  readonly requestIdleMs: number;
  /** Bytes of a response body. */
  readonly responseBytesMax: number;
  /** How often an idle connection is tested. */
  readonly keepAliveMs: number;
  /** How long that test may take. */
  readonly keepAliveAnswerMs: number;
}

/** Collects a body up to a bound; `add` returns false when it is exceeded. */
export class BoundedBody {
  readonly #chunks: Buffer[] = [];
  readonly #max: number;
  #length = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(chunk: Buffer): boolean {
    this.#length += chunk.length;
    if (this.#length > this.#max) return false;
    this.#chunks.push(chunk);
    return true;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  bytes(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }
}
