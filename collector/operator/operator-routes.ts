import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { hexOf } from "../chain-name.ts";
import type { CollectorLimits } from "../config.ts";
import { fleetReport, gapReport, type FleetSources } from "../fleet/fleet-report.ts";
import { errorAnswer, jsonAnswer, sendAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Ledger } from "../ledger.ts";
import type { Consumers } from "../log/consumers.ts";
import { LOG_CONTENT_TYPES, type LogFormat } from "../log/log-line.ts";
import { readLogLines } from "../log/log-reader.ts";
import type { CollectorMetrics } from "../metrics.ts";
import { buildProof } from "../proof/build-proof.ts";
import type { KeptReceipts } from "../proof/kept-receipts.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { readConsumerPlace, readLogQuery, readOffset } from "./queries.ts";

export interface OperatorContext extends FleetSources {
  readonly identity: SigningIdentity;
  readonly ledger: Ledger;
  readonly registry: GatewayRegistry;
  readonly consumers: Consumers;
  readonly keptReceipts: KeptReceipts;
  readonly metrics: CollectorMetrics;
  readonly limits: CollectorLimits;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OperatorHandler {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  followers(): number;
  /** Ends every reader of the log at the next batch boundary. */
  stopFollowers(): void;
}

/** The operator's side: docs/protocol.md §3.4. */
export function operatorHandler(context: OperatorContext): OperatorHandler {
  const stopping = new AbortController();
  let readers = 0;

  const route = async (request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> => {
    const url = new URL(request.url ?? "/", "http://operator");
    const key = `${request.method} ${url.pathname}`;
    switch (key) {
      case "GET /healthz":
        return { status: 200, body: "ok\n" };
      case "GET /metrics":
        return {
          status: 200,
          headers: { "content-type": context.metrics.contentType },
          body: await context.metrics.render(),
        };
      case "GET /v1/fleet":
        return jsonAnswer(200, {
          collector: hexOf(context.identity.publicKeyRaw),
          gateways: fleetReport(context, context.clock.wallMs()),
        });
      case "GET /v1/gaps":
        return answerGaps(context, url.searchParams.get("gateway"));
      case "GET /v1/consumers":
        return jsonAnswer(200, context.consumers.all());
      case "GET /v1/log":
        return streamLog(request, response, url.searchParams);
      case "GET /v1/proof":
        return answerProof(context, url.searchParams);
      default:
        return routeByName(context, request, url.pathname);
    }
  };

  const streamLog = async (
    request: IncomingMessage,
    response: ServerResponse,
    search: URLSearchParams,
  ): Promise<Answer | undefined> => {
    const query = readLogQuery(search, request.headers.accept);
    if (!query.ok) return errorAnswer(400, query.reason, query.detail);
    if (readers >= context.limits.maxFollowers) {
      return errorAnswer(503, "busy", `${readers} readers of the log are connected.`, { retryAfterS: 1 });
    }
    const { since, follow, format, limit } = query.value;
    const from = since === undefined ? query.value.from : await context.ledger.logOffsetAt(since);
    readers++;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      const signal = AbortSignal.any([gone.signal, stopping.signal]);
      await sendLines(response, context.ledger, { from, limit, follow, format }, signal);
    } finally {
      readers--;
    }
    return undefined;
  };

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    request.on("error", () => {});
    response.on("error", () => {});
    const refused = refuseForeignPage(request);
    if (refused !== undefined) return sendAnswer(request, response, refused);
    route(request, response)
      .catch((error: unknown) => {
        if (response.headersSent) return void response.destroy();
        context.log.error("operator-request-failed", { url: request.url?.slice(0, 200), message: messageOf(error) });
        return errorAnswer(500, "failed", messageOf(error));
      })
      .then((answer) => (answer === undefined ? undefined : sendAnswer(request, response, answer)))
      .catch(() => response.destroy());
  };

  return { handle, followers: () => readers, stopFollowers: () => stopping.abort() };
}

async function sendLines(
  response: ServerResponse,
  ledger: Ledger,
  request: { from: number; limit: number | undefined; follow: boolean; format: LogFormat },
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { "content-type": LOG_CONTENT_TYPES[request.format], "cache-control": "no-store" });
  response.flushHeaders();
  // One batch is read ahead of what the socket takes; a reader that stops reading stops the generator.
  const lines = Readable.from(readLogLines(ledger, request, signal), { objectMode: true, highWaterMark: 1 });
  await pipeline(lines, response);
}

async function routeByName(context: OperatorContext, request: IncomingMessage, path: string): Promise<Answer> {
  const consumer = /^\/v1\/consumers\/([^/]+)$/u.exec(path)?.[1];
  if (consumer !== undefined && request.method === "GET") {
    const known = context.consumers.get(consumer);
    return known === undefined
      ? errorAnswer(404, "not-found", `There is no consumer ${consumer}.`)
      : jsonAnswer(200, known);
  }
  if (consumer !== undefined && request.method === "PUT") return putConsumer(context, request, consumer);
  const decision = /^\/v1\/gateways\/([0-9a-f]{8,64})\/(approve|deny)$/u.exec(path);
  if (decision !== null && request.method === "POST") {
    return decideGateway(context, decision[1]!, decision[2] === "approve" ? "approved" : "denied");
  }
  return errorAnswer(404, "not-found", `${request.method} ${path.slice(0, 200)} is not known here.`);
}

async function putConsumer(context: OperatorContext, request: IncomingMessage, name: string): Promise<Answer> {
  const place = await readConsumerPlace(request);
  if (!place.ok) return errorAnswer(400, place.reason, place.detail);
  const { offset, rewind } = place.value;
  const logEnd = context.ledger.logEnd();
  const put = await context.consumers.put(name, offset, { rewind, logEnd, nowMs: context.clock.wallMs() });
  if (!put.ok) return errorAnswer(put.reason === "backwards" ? 409 : 400, put.reason, put.detail);
  return jsonAnswer(200, put.value);
}

async function decideGateway(context: OperatorContext, prefix: string, state: "approved" | "denied"): Promise<Answer> {
  const matches = context.registry.all().filter((gateway) => gateway.id.startsWith(prefix));
  if (matches.length !== 1) {
    const message =
      matches.length === 0 ? `No gateway ${prefix} ever enrolled.` : `${matches.length} gateways start with ${prefix}.`;
    return errorAnswer(matches.length === 0 ? 404 : 409, matches.length === 0 ? "not-found" : "ambiguous", message);
  }
  const decided = await context.registry.decide(matches[0]!.id, state, context.clock.wallMs());
  if (decided === undefined) return errorAnswer(404, "not-found", `No gateway ${prefix} ever enrolled.`);
  context.log.info("enrolment", { gateway: decided.id, label: decided.label, state: decided.state, by: "operator" });
  return jsonAnswer(200, { id: decided.id, label: decided.label, state: decided.state });
}

function answerGaps(context: OperatorContext, gateway: string | null): Answer {
  if (gateway !== null && !/^[0-9a-f]{64}$/u.test(gateway)) {
    return errorAnswer(400, "gateway", "gateway is 64 hex digits.");
  }
  return jsonAnswer(200, gapReport(context, gateway ?? undefined));
}

async function answerProof(context: OperatorContext, search: URLSearchParams): Promise<Answer> {
  const offset = readOffset(search, "offset");
  if (!offset.ok) return errorAnswer(400, offset.reason, offset.detail);
  const proof = await buildProof(context, offset.value);
  if (!proof.ok) return errorAnswer(proof.reason === "no-record" ? 404 : 409, proof.reason, proof.detail);
  return { status: 200, headers: { "content-type": "application/cbor" }, body: proof.value };
}

/**
 * The loopback listener asks for no password, so a web page in the operator's browser must not reach it: neither by a
 * name that resolves to this machine (Host), nor by a form or script of its own (Origin).
 */
function refuseForeignPage(request: IncomingMessage): Answer | undefined {
  const host = (request.headers.host ?? "").replace(/:\d+$/u, "");
  const local = ["", "localhost", "127.0.0.1", "[::1]"].includes(host);
  const { origin } = request.headers;
  const ownOrigin = origin === undefined || origin === `http://${request.headers.host}`;
  return local && ownOrigin ? undefined : errorAnswer(403, "foreign-page", "Ask this listener by its own address.");
}
