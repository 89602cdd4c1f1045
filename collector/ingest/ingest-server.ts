import { createSecureServer, type Http2SecureServer, type Http2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { bindPatiently } from "@paddock/base/patient-bind.ts";
import type { CollectorLimits } from "../config.ts";
import type { CollectorMetrics } from "../metrics.ts";
import { type ConnectionPlace, ConnectionPlaces } from "./connection-places.ts";
import { Connections } from "./connections.ts";
import type { AnyRequest, AnyResponse } from "./http-answer.ts";

export interface ListenAddress {
  readonly address: string;
  /** 0: the kernel chooses. */
  readonly port: number;
}

export interface IngestServerOptions {
  readonly listen: readonly ListenAddress[];
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
  readonly limits: CollectorLimits;
  readonly metrics: Pick<CollectorMetrics, "connectionErrors">;
  readonly log: Log;
  readonly clock: Clock;
  /** `place` is that of the connection, which is told what was shown of a key. */
  readonly handle: (request: AnyRequest, response: AnyResponse, place: ConnectionPlace) => void;
}

export interface IngestServer {
  readonly addresses: readonly ListenAddress[];
  /** Open ones, and how many of them have not shown the key of an approved gateway. */
  readonly connections: Pick<ConnectionPlaces, "taken" | "unproven">;
  /** Stops accepting and asks every peer to finish (GOAWAY); resolves when all are gone or after `withinMs`. */
  close: (withinMs: number) => Promise<void>;
}

/**
 * Flow control: what a gateway may send before it hears back. A stream takes the largest upload, so that a path of
 * 100 ms carries 40 MB/s; all uploads of a connection together wait in at most twice that.
 */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 8 * 1024 * 1024;
const HTTP1_HEADERS_MS = 10_000;

/**
 * HTTP/2 over TLS 1.3 on every address, HTTP/1.1 for peers that speak only that. Throws LISTEN_FAILED. A broken
 * handshake, frame or request ends its own connection and counts; it never reaches further.
 */
export async function startIngestServer(options: IngestServerOptions): Promise<IngestServer> {
  const sessions = new Set<Http2Session>();
  const places = new ConnectionPlaces(options.limits, options.clock, (kind) =>
    options.metrics.connectionErrors.inc({ kind }),
  );
  const connections = new Connections(places);
  const servers: Http2SecureServer[] = [];
  const closeAll = (withinMs: number) => closeServers(servers, sessions, connections, withinMs);
  try {
    const addresses: ListenAddress[] = [];
    for (const where of options.listen) {
      const server = createServer(options, sessions, connections);
      addresses.push(await bindPatiently(() => listen(server, where), { ...options, address: where.address }));
      servers.push(server);
    }
    return { addresses, connections: places, close: closeAll };
  } catch (error) {
    await closeAll(0);
    throw error;
  }
}

function createServer(
  options: IngestServerOptions,
  sessions: Set<Http2Session>,
  connections: Connections,
): Http2SecureServer {
  const { limits, metrics, log } = options;
  const failed = (kind: string, error: unknown) => {
    metrics.connectionErrors.inc({ kind });
    log.debug("connection-error", { kind, message: messageOf(error) });
  };
  const server = createSecureServer({
    ...options.tls,
    minVersion: "TLSv1.3",
    allowHTTP1: true,
    handshakeTimeout: limits.handshakeMs,
    unknownProtocolTimeout: limits.handshakeMs,
    maxHeaderListPairs: 64,
    settings: {
      maxConcurrentStreams: limits.maxStreamsPerConnection,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: 16_384,
      enablePush: false,
    },
  });
  // These apply to HTTP/1.1 connections; sessions have their own time-out below.
  Object.assign(server, { headersTimeout: HTTP1_HEADERS_MS, requestTimeout: limits.bodyTotalMs + HTTP1_HEADERS_MS });
  server.setTimeout(limits.connectionIdleMs);
  server.on("connection", (socket) => {
    socket.on("error", (error: Error) => failed("socket", error));
    connections.enter(socket);
  });
  server.on("session", (session) => {
    sessions.add(session);
    connections.startSession(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", (error) => failed("session", error));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.setTimeout(limits.connectionIdleMs, () => session.close());
  });
  server.on("sessionError", (error) => failed("session", error));
  server.on("tlsClientError", (error, socket) => {
    failed("tls", error);
    socket.destroy();
  });
  server.on("clientError", (error: Error, socket: Socket) => {
    failed("http1", error);
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    else socket.destroy();
  });
  server.on("unknownProtocol", (socket) => {
    failed("protocol", "neither h2 nor http/1.1");
    socket.destroy();
  });
  server.on("request", (request, response) => {
    options.handle(request, response, connections.placeOf(request, response));
  });
  return server;
}

function listen(server: Http2SecureServer, { address, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      server.off("listening", done);
      const message = `${address} port ${port} cannot be bound: ${messageOf(error)}.`;
      reject(new PaddockError("LISTEN_FAILED", message, { cause: error }));
    };
    const done = (): void => {
      server.off("error", failed);
      const bound = server.address() as AddressInfo;
      resolve({ address: bound.address, port: bound.port });
    };
    server.once("error", failed);
    server.once("listening", done);
    server.listen({ host: address, port });
  });
}

async function closeServers(
  servers: readonly Http2SecureServer[],
  sessions: ReadonlySet<Http2Session>,
  connections: Connections,
  withinMs: number,
): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
  for (const session of sessions) session.close();
  const giveUp = setTimeout(() => connections.destroyAll(), withinMs);
  await Promise.all(closed);
  clearTimeout(giveUp);
}
