import type { KeyObject } from "node:crypto";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { publicKeyFromRaw, type SigningIdentity } from "@paddock/wire/identity.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { RECEIPT_BYTES_MAX } from "@paddock/wire/limits.ts";
import { openReceipt } from "@paddock/wire/receipt.ts";
import { BodyCompression, type PackedBody } from "./body-compression.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import {
  NotProcessed,
  type ExchangeLimits,
  type ExchangeRequest,
  type ExchangeResponse,
  type HttpExchange,
} from "./http-exchange.ts";
import type {
  ChainName,
  CollectorLink,
  EnrolmentAnswer,
  LinkFailure,
  LinkOutcome,
  LinkRefusal,
  OpenedLink,
  OpenLink,
  VerifiedReceipt,
} from "./ports.ts";
import type { PathConfig } from "../paths/path-config.ts";
import { KeyProver } from "./key-prover.ts";
import { connectEagerly, connectTls, type TlsTarget } from "./tls-connect.ts";

export interface CollectorLinkOptions {
  /** The collector's raw Ed25519 key, 32 bytes: it signs the receipts and, without `ca`, answers the handshake. */
  readonly publicKey: Uint8Array;
  /** PEM of the authorities of an ingress in front of the collector. */
  readonly ca?: string;
  /** Of this gateway: it names the chains and proves its key to the collector. */
  readonly identity: SigningIdentity;
  readonly connectTimeoutMs?: number;
  readonly requestIdleMs?: number;
  /** How often an idle session is tested, and on a metered path. */
  readonly keepAliveMs?: number;
  readonly meteredKeepAliveMs?: number;
  /** How soon a session on which nothing was asked shows our key. */
  readonly proveAfterMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** The forwarder's watchdog acts long before; this bounds what it does not see. */
const REQUEST_IDLE_MS = 60_000;
const KEEP_ALIVE_MS = 15_000;
const METERED_KEEP_ALIVE_MS = 120_000;
const HTTP1_SOCKETS_MAX = 4;
const HTTPS_PORT = 443;
const RETRY_AFTER_MAX_MS = 3_600_000;
const HANDSHAKE_BYTES = 4000;
const PACKET_OVERHEAD_BYTES = 166;
/** In this time an active path has long asked for something. */
const PROVE_AFTER_MS = 1000;
const ANY_CHAIN: ChainName = { lane: 0, epoch: 0 };
const COSE_SIGN1 = 'application/cose; cose-type="cose-sign1"';

/** Makes the function that opens links to one collector. Throws RangeError when `publicKey` is not 32 bytes. */
export function collectorLinks(options: CollectorLinkOptions): OpenLink {
  const receiptKey = publicKeyFromRaw(options.publicKey);
  if (!receiptKey.ok) throw new RangeError(receiptKey.detail);
  const compression = new BodyCompression();
  const prover = new KeyProver(options.identity, options.publicKey);
  return async (path, signal, hurry = false) => {
    const startedAt = performance.now();
    const exchange = await openExchange(path, options, signal, hurry ? connectEagerly : connectTls);
    if (!exchange.ok) return exchange;
    const shared = { key: receiptKey.value, gateway: options.identity.id, compression, prover };
    const link = new HttpCollectorLink(path, exchange.value, shared);
    link.proveLater(options.proveAfterMs ?? PROVE_AFTER_MS);
    return accept<OpenedLink>({ link, handshakeMs: performance.now() - startedAt });
  };
}

async function openExchange(
  path: PathConfig,
  options: CollectorLinkOptions,
  signal: AbortSignal,
  open: typeof connectTls,
): Promise<Outcome<HttpExchange, LinkFailure>> {
  const url = new URL(path.endpoint);
  const target: TlsTarget = {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: portOf(url),
    source: path.source,
    publicKey: options.publicKey,
    ca: options.ca,
    alpn: ["h2", "http/1.1"],
    timeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  };
  const keepAliveMs =
    path.metered === undefined
      ? (options.keepAliveMs ?? KEEP_ALIVE_MS)
      : (options.meteredKeepAliveMs ?? METERED_KEEP_ALIVE_MS);
  const limits: ExchangeLimits = {
    requestIdleMs: options.requestIdleMs ?? REQUEST_IDLE_MS,
    responseBytesMax: RECEIPT_BYTES_MAX,
    keepAliveMs,
    keepAliveAnswerMs: Math.min(keepAliveMs, CONNECT_TIMEOUT_MS),
  };
  const socket = await open(target, signal);
  if (!socket.ok) return socket;
  if (socket.value.alpnProtocol === "h2") return accept(new Http2Exchange(url.origin, socket.value, limits));
  const { Http1Exchange } = await import("./http1-exchange.ts");
  const openMore = async () => {
    const more = await connectTls({ ...target, alpn: ["http/1.1"] }, new AbortController().signal);
    if (more.ok) return more.value;
    throw new Error(more.detail);
  };
  return accept(new Http1Exchange(url.origin, socket.value, openMore, limits, HTTP1_SOCKETS_MAX));
}

/** The port of a collector's URL, 443 where it names none. */
export function portOf({ port }: URL): number {
  return port === "" ? HTTPS_PORT : Number(port);
}

/** What the links of all paths have in common. */
interface SharedByLinks {
  /** The collector's. */
  readonly key: KeyObject;
  readonly gateway: Uint8Array;
  readonly compression: BodyCompression;
  readonly prover: KeyProver;
}

class HttpCollectorLink implements CollectorLink {
  readonly #path: PathConfig;
  readonly #exchange: HttpExchange;
  readonly #key: KeyObject;
  readonly #gateway: Uint8Array;
  readonly #compression: BodyCompression;
  readonly #prover: KeyProver;
  readonly #prefix: string;
  #proving: NodeJS.Timeout | undefined;
  #hasAsked = false;

  constructor(path: PathConfig, exchange: HttpExchange, { key, gateway, compression, prover }: SharedByLinks) {
    this.#path = path;
    this.#exchange = exchange;
    this.#key = key;
    this.#gateway = gateway;
    this.#compression = compression;
    this.#prover = prover;
    this.#prefix = new URL(path.endpoint).pathname.replace(/\/$/, "");
  }

  async upload(chain: ChainName, body: Uint8Array, signal: AbortSignal): Promise<LinkOutcome<VerifiedReceipt>> {
    let packed: PackedBody;
    try {
      packed = await this.#compression.pack(chain.lane, body);
    } catch {
      // Compression saves bytes; that it fails (memory, most likely) is no reason not to send.
      packed = { body, encoding: undefined };
    }
    const headers = {
      "content-type": "application/cbor-seq",
      "paddock-path": encodeURIComponent(this.#path.name),
      ...(packed.encoding === undefined ? {} : { "content-encoding": packed.encoding }),
    };
    const request = { method: "POST", path: this.#chainPath(chain), headers, body: packed.body } as const;
    return this.#receiptOf(chain, request, signal);
  }

  /**
   * Shows our key on a session that has nothing else to carry, as a standby's: the collector ends those on which nobody
   * does. What is asked for does not matter.
   */
  proveLater(afterMs: number): void {
    this.#proving = setTimeout(() => {
      if (!this.#hasAsked) void this.receipt(ANY_CHAIN, new AbortController().signal);
    }, afterMs);
    this.#proving.unref();
  }

  receipt(chain: ChainName, signal: AbortSignal): Promise<LinkOutcome<VerifiedReceipt>> {
    return this.#receiptOf(chain, { method: "GET", path: this.#chainPath(chain), headers: {} }, signal);
  }

  async enrol(request: Uint8Array, signal: AbortSignal): Promise<LinkOutcome<EnrolmentAnswer>> {
    const path = `${this.#prefix}/v1/enrolments`;
    const answer = await this.#ask(
      { method: "POST", path, headers: { "content-type": COSE_SIGN1 }, body: request },
      signal,
    );
    if (!answer.ok) return answer;
    this.#prover.take(answer.value.challenge);
    const claimNotTaken = fieldOf(answer.value.body, "claim") === "not-taken";
    switch (answer.value.status) {
      case 200:
        return { ok: true, value: { state: "approved", claimNotTaken } };
      case 202:
        return { ok: true, value: { state: "pending", claimNotTaken } };
      case 403:
        return { ok: true, value: { state: "denied", claimNotTaken } };
      default:
        return refusalOf(answer.value);
    }
  }

  async directive(signal: AbortSignal): Promise<LinkOutcome<Uint8Array | undefined>> {
    const path = `${this.#prefix}/v1/directives/${Buffer.from(this.#gateway).toString("hex")}`;
    const answer = await this.#askProven({ method: "GET", path, headers: {} }, signal);
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    // A collector that knows no directives has nothing at this place.
    if (status === 204 || status === 404) return { ok: true, value: undefined };
    return status === 200 ? { ok: true, value: body } : refusalOf(answer.value);
  }

  onClosed(callback: (detail: string) => void): void {
    this.#exchange.onClosed(callback);
  }

  onRetiring(callback: (detail: string) => void): void {
    this.#exchange.onRetiring(callback);
  }

  bytesUsed(): number {
    return carrierBytes(this.#exchange.bytesUsed());
  }

  close(): void {
    clearTimeout(this.#proving);
    this.#exchange.close();
  }

  #chainPath({ lane, epoch }: ChainName): string {
    return `${this.#prefix}/v1/chains/${Buffer.from(this.#gateway).toString("hex")}/${laneName(lane)}/${epoch}`;
  }

  async #receiptOf(
    chain: ChainName,
    request: ExchangeRequest,
    signal: AbortSignal,
  ): Promise<LinkOutcome<VerifiedReceipt>> {
    const answer = await this.#askProven(request, signal);
    if (!answer.ok) return answer;
    // The collector knows the place of every upload: who does not is somebody else on the way to it.
    if (answer.value.status === 404 && request.method === "POST")
      return refuse("unreachable", `404: ${errorText(answer.value.body)}`);
    if (answer.value.status !== 200) return refusalOf(answer.value);
    const encoded = answer.value.body;
    const opened = openReceipt(encoded, this.#key);
    if (!opened.ok) {
      return refuse(opened.reason === "receipt-signature" ? "identity" : "refused", `receipt: ${opened.detail}`);
    }
    const receipt = opened.value;
    if (!Buffer.from(receipt.gateway).equals(this.#gateway)) {
      return refuse("refused", `the receipt is for gateway ${Buffer.from(receipt.gateway).toString("hex")}`);
    }
    if (receipt.lane !== chain.lane || receipt.epoch !== chain.epoch) {
      const asked = `${laneName(chain.lane)}/${chain.epoch}`;
      return refuse("refused", `the receipt is for ${laneName(receipt.lane)}/${receipt.epoch}, not ${asked}`);
    }
    return { ok: true, value: { receipt, encoded } };
  }

  /** Asks with the proof of our key, also while the operator has not said yes. The first time, and after a restart of the collector, it has to be signed anew. */
  async #askProven(request: ExchangeRequest, signal: AbortSignal): Promise<LinkOutcome<ExchangeResponse>> {
    const ask = () => this.#ask({ ...request, headers: { ...request.headers, ...this.#prover.headers() } }, signal);
    const answer = await ask();
    if (!answer.ok) return answer;
    const renewed = this.#prover.take(answer.value.challenge);
    const isUnproven =
      answer.value.status === 401 || (answer.value.status === 403 && answer.value.challenge !== undefined);
    return isUnproven && renewed ? ask() : answer;
  }

  async #ask(request: ExchangeRequest, signal: AbortSignal): Promise<LinkOutcome<ExchangeResponse>> {
    this.#hasAsked = true;
    try {
      return { ok: true, value: await this.#exchange.request(request, signal) };
    } catch (error) {
      return refuse(error instanceof NotProcessed ? "not-processed" : "unreachable", messageOf(error));
    }
  }
}

function refusalOf(response: ExchangeResponse): LinkRefusal {
  const detail = `${response.status}: ${errorText(response.body)}`;
  switch (response.status) {
    case 403:
      return refuse("not-enrolled", detail);
    case 409:
      return refuse("fork", detail);
    case 429:
    case 503:
    case 507:
      return { ok: false, reason: "busy", detail, retryAfterMs: parseRetryAfter(response.retryAfter) };
    case 408:
      // The path was too slow for what was asked of it: that says nothing about the chain.
      return refuse("unreachable", detail);
    case 502:
    case 504:
      // An ingress that cannot reach the collector: to the gateway the collector is not there.
      return refuse("unreachable", detail);
    default:
      return refuse(response.status >= 500 ? "busy" : "refused", detail);
  }
}

/**
 * What a carrier counts for so many bytes inside TLS, by estimate: Node tells neither the records nor the packets. A
 * handshake, and for each packet of 1,200 bytes the IPv6 and TCP headers both ways and a share of a TLS record.
 */
function carrierBytes(bytes: number): number {
  return HANDSHAKE_BYTES + bytes + Math.ceil(bytes / 1200) * PACKET_OVERHEAD_BYTES;
}

/** Retry-After (RFC 9110 §10.2.3) in ms: delay seconds only, as a date would need a clock that is right. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,9}$/.test(value)) return undefined;
  return Math.min(RETRY_AFTER_MAX_MS, Number(value) * 1000);
}

/** A field of a JSON body, when it is one. */
function fieldOf(body: Buffer, name: string): unknown {
  try {
    return (JSON.parse(body.toString("utf8")) as Record<string, unknown> | null)?.[name];
  } catch {
    return undefined;
  }
}

/** The message of an error body (docs/protocol.md §3.1), or what of it is printable. */
function errorText(body: Buffer): string {
  const text = body.toString("utf8").slice(0, 500);
  try {
    const parsed = JSON.parse(text) as { error?: unknown; message?: unknown } | null;
    if (typeof parsed?.message === "string") return `${String(parsed.error)}, ${parsed.message}`;
  } catch {
    // Not ours: an ingress answers in its own words.
  }
  return text.replace(/[^\x20-\x7e]+/g, " ").trim() || "no reason given";
}
