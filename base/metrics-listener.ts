import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { readTokenFile, showsToken } from "./bearer-token.ts";
import type { Clock } from "./clock.ts";
import { messageOf, PaddockError } from "./errors.ts";
import type { Log } from "./log.ts";
import { nodeHttp } from "./node-http.ts";
import { bindPatiently } from "./patient-bind.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** The section `metrics` of a configuration. */
export interface MetricsConfig {
  readonly listen: { readonly address: string; readonly port: number } | null;
  /** PEM files; null serves plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** File with what a scrape has to show; null asks nobody. */
  readonly tokenFile: string | null;
}

/** What is told on the listener. */
export interface Told {
  readonly contentType: string;
  readonly metrics: () => Promise<string>;
  /** Why the program cannot do its work now, in words; undefined while it can. */
  readonly unready: () => string | undefined;
}

export interface MetricsListener {
  readonly port: number;
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 32;
/** For a handshake, and for a request from its first byte to its last. */
const PATIENCE_MS = 10_000;
/** Scrapes come every 15 s to a minute: the next one need not shake hands again. */
const IDLE_MS = 75_000;
/** What was told once is told again to all who ask within this time, so that the work does not grow with their number. */
const FRESH_MS = 1000;

/** What no field of the section shows alone, as an expectation about `tokenFile`; undefined when all is well. */
export function metricsProblem({ listen, tls, tokenFile }: MetricsConfig): string | undefined {
  if (listen === null || tls !== null || tokenFile === null || isLoopback(listen.address)) return undefined;
  return "expected metrics.tls beside it: without TLS whoever is on the way reads the token (an address of this machine alone, ::1, needs none)";
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** Reads the files that the section names, as a start would. Throws CONFIG_INVALID, naming the key at fault. */
export async function readMetricsFiles({
  tls,
  tokenFile,
}: MetricsConfig): Promise<{ readonly tls: TlsFiles | null; readonly token: string | null }> {
  return {
    tls: tls === null ? null : await readTlsFiles("metrics.tls", tls),
    token: tokenFile === null ? null : await readTokenFile("metrics.tokenFile", tokenFile),
  };
}

/**
 * Serves GET /metrics, to whom shows the token if there is one, /healthz and /readyz, to everybody, and nothing else.
 * Resolves with undefined where no listener is configured. Throws CONFIG_INVALID or LISTEN_FAILED.
 */
export async function openMetricsListener(
  config: MetricsConfig,
  { clock, log, ...told }: Told & { readonly clock: Clock; readonly log: Log },
): Promise<MetricsListener | undefined> {
  const { listen } = config;
  if (listen === null) return undefined;
  const { tls, token } = await readMetricsFiles(config);
  const handle = handler(told, token, clock);
  const opened = await bindPatiently(() => serve(listen, tls, handle), { address: listen.address, clock, log });
  log.info("metrics", { address: listen.address, port: opened.port, tls: tls !== null, token: token !== null });
  return opened;
}

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

function handler({ contentType, ...told }: Told, token: string | null, clock: Clock): Handle {
  const metrics = remembered(told.metrics, clock);
  const unready = remembered(async () => told.unready(), clock);
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const path = request.url?.split("?")[0];
    if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") return { status: 404, text: "not found\n" };
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, text: "only GET and HEAD\n", headers: { allow: "GET, HEAD" } };
    }
    if (path === "/healthz") return { status: 200, text: "ok\n" };
    if (path === "/readyz") return readiness(await unready());
    if (token !== null && !showsToken(request.headers.authorization, token)) {
      const text = "Show the token in the file of metrics.tokenFile: authorization: Bearer TOKEN.\n";
      return { status: 401, text, headers: { "www-authenticate": "Bearer" } };
    }
    return { status: 200, text: await metrics(), headers: { "content-type": contentType } };
  };
  return (request, response) => {
    request.on("error", () => {});
    response.on("error", () => {});
    // A body that nobody reads would hold the connection.
    request.resume();
    answer(request)
      .catch((error: unknown): Answer => ({ status: 500, text: `${messageOf(error)}\n` }))
      .then((answered) => send(response, answered))
      .catch(() => response.destroy());
  };
}

function send(response: ServerResponse, { status, text, headers }: Answer): ServerResponse {
  const body = Buffer.from(text);
  const always = { "content-length": body.length, "cache-control": "no-store" };
  return response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...always, ...headers }).end(body);
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** 200, or 503 with the reason in words. */
export function readiness(unready: string | undefined): Answer {
  return unready === undefined ? { status: 200, text: "ok\n" } : { status: 503, text: `not ready: ${unready}\n` };
}

/** `make`, at most once in FRESH_MS and never twice at the same time; a failure is not remembered. */
function remembered<Value>(make: () => Promise<Value>, clock: Clock): () => Promise<Value> {
  let kept: { readonly value: Promise<Value>; madeUs: number } | undefined;
  return () => {
    if (kept !== undefined && clock.monotonicUs() - kept.madeUs < FRESH_MS * 1000) return kept.value;
    const value = make();
    // While it is being made it is as fresh as can be.
    const made = { value, madeUs: Number.POSITIVE_INFINITY };
    kept = made;
    value.then(
      () => (made.madeUs = clock.monotonicUs()),
      () => (kept = undefined),
    );
    return value;
  };
}

async function serve(
  listen: { readonly address: string; readonly port: number },
  tls: TlsFiles | null,
  handle: Handle,
): Promise<MetricsListener> {
  const server = createServer(tls, handle);
  server.maxConnections = CONNECTIONS_MAX;
  // Those that shake hands still, too: closeAllConnections knows of them only when they have.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(new PaddockError("LISTEN_FAILED", `metrics.listen: ${messageOf(error)}.`, { cause: error }));
    });
    server.listen(listen.port, listen.address, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : listen.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function createServer(tls: TlsFiles | null, handle: Handle): Server {
  const times = {
    headersTimeout: PATIENCE_MS,
    requestTimeout: PATIENCE_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: PATIENCE_MS / 4,
  };
  if (tls === null) return nodeHttp().createServer(times, handle);
  // As with node:http: loaded where it is wanted, and without a client.
  const secure = process.getBuiltinModule("node:https");
  return secure.createServer({ ...times, ...tls, minVersion: "TLSv1.3", handshakeTimeout: PATIENCE_MS }, handle);
}
