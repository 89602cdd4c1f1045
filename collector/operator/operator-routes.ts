import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { systemRandom } from "@paddock/base/random.ts";
import { hexOf } from "../chain-name.ts";
import type { CollectorLimits } from "../config.ts";
import { fleetReport, gapReport, type FleetSources } from "../fleet/fleet-report.ts";
import { ledgerReport } from "../fleet/ledger-report.ts";
import { errorAnswer, jsonAnswer, readyAnswer, sendAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Ledger } from "../ledger.ts";
import type { Consumer, Consumers } from "../log/consumers.ts";
import type { EvidenceRoom } from "../evidence.ts";
import { LOG_CONTENT_TYPES } from "../log/log-line.ts";
import { driftOf, logName, markAt, type LogDrift } from "../log/log-place.ts";
import { readLogLines } from "../log/log-reader.ts";
import type { CollectorMetrics } from "../metrics.ts";
import { buildProof } from "../proof/build-proof.ts";
import type { KeptReceipts } from "../proof/kept-receipts.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import type { Scrub } from "../scrub.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { answerStream } from "../streams/durable-stream.ts";
import { logStream } from "../streams/stream-source.ts";
import { verifyLedger } from "../verify-ledger.ts";
import { findGateway, neverEnrolled } from "./find-gateway.ts";
import { refuseForeignPage, refuseWithoutToken } from "./guard.ts";
import { answerLast } from "./operator-last.ts";
import { answerRollout, type RolloutContext } from "./operator-rollout.ts";
import { answerSinks, type SinksContext } from "./operator-sinks.ts";
import { LogReaders } from "./log-readers.ts";
import { readConsumerPlace, readLogQuery, readOffset, readReason, type LogQuery } from "./queries.ts";

export interface OperatorContext extends FleetSources, Pick<RolloutContext, "rollouts">, Pick<SinksContext, "sinks"> {
  readonly identity: SigningIdentity;
  readonly ledger: Ledger;
  readonly registry: GatewayRegistry;
  readonly consumers: Consumers;
  readonly evidence: EvidenceRoom;
  readonly keptReceipts: KeptReceipts;
  readonly scrub: Pick<Scrub, "progress">;
  readonly metrics: CollectorMetrics;
  /** Why uploads are not taken, in words; undefined while they are. */
  readonly unready: () => string | undefined;
  readonly limits: CollectorLimits;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OperatorHandler {
  /** Answers one request; never throws. With a token, whoever does not show it is refused. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, token?: string) => void;
  followers(): number;
  /** Ends every reader of the log at the next batch boundary. */
  stopFollowers(): void;
}

/** Where the log is read by the Durable Streams protocol: docs/protocol.md §3.7. */
const STREAM_PATH = "/v1/streams/log";

/** The operator's side: docs/protocol.md §3.4. */
export function operatorHandler(context: OperatorContext): OperatorHandler {
  const readers = new LogReaders(context.limits.maxFollowers, context.clock);

  const streams = { readers, clock: context.clock, chance: () => systemRandom.float() };

  const route = async (request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> => {
    const target = request.url ?? "/";
    // A target that begins with two slashes would be read as a host.
    const url = target.startsWith("//") ? null : URL.parse(target, "http://operator");
    if (url === null) return errorAnswer(400, "url", "The request's target is no path.");
    const { pathname, searchParams } = url;
    if (pathname === STREAM_PATH)
      return answerStream(request, response, searchParams, logStream(context.ledger), streams);
    const key = `${request.method} ${pathname}`;
    switch (key) {
      case "GET /healthz":
        return { status: 200, body: "ok\n" };
      case "GET /readyz":
        return readyAnswer(context.unready());
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
          ledger: ledgerReport(context.ledger, context.scrub.progress),
        });
      case "GET /v1/gateways":
        return jsonAnswer(
          200,
          context.registry.all().map(({ id, label, state }) => ({ id, label, state })),
        );
      case "GET /v1/gaps":
        return answerGaps(context, url.searchParams.get("gateway"));
      case "GET /v1/ledger/verify":
        return jsonAnswer(
          200,
          await verifyLedger(context.ledger, ({ gateway }) => context.registry.get(hexOf(gateway))?.key),
        );
      case "GET /v1/evidence":
        return jsonAnswer(200, context.evidence.all());
      case "GET /v1/consumers":
        return jsonAnswer(200, await Promise.all(context.consumers.all().map((one) => shown(context, one))));
      case "GET /v1/last":
        return answerLast(context, searchParams);
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
    const from = await beginning(context, query.value);
    if (typeof from !== "number") return from;
    if (!readers.hasRoom()) {
      return errorAnswer(503, "busy", `${readers.count} readers of the log are connected.`, { retryAfterS: 1 });
    }
    const { follow, format, limit } = query.value;
    response.writeHead(200, {
      "content-type": LOG_CONTENT_TYPES[format],
      "cache-control": "no-store",
      "paddock-log": logName(context.ledger),
      "paddock-from": String(from),
      "paddock-end": String(context.ledger.logEnd()),
    });
    response.flushHeaders();
    await readers.send(response, (signal) => readLogLines(context.ledger, { from, limit, follow, format }, signal));
    return undefined;
  };

  const handle = (request: IncomingMessage, response: ServerResponse, token?: string): void => {
    request.on("error", () => {});
    response.on("error", () => {});
    const refused = refuseForeignPage(request) ?? refuseWithoutToken(request, token);
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

  return { handle, followers: () => readers.count, stopFollowers: () => readers.stop() };
}

/** Where a reader of the log begins, or why it cannot. */
async function beginning({ ledger, consumers, clock }: OperatorContext, query: LogQuery): Promise<number | Answer> {
  const { since, consumer, log, behind, updated } = query;
  const from = since === undefined ? query.from : await ledger.logOffsetAt(since);
  const kept = consumer === undefined ? undefined : consumers.get(consumer);
  if (consumer !== undefined && kept === undefined) return noConsumer(consumer);
  const asked = await driftOf(ledger, {
    offset: kept?.offset ?? from,
    updated: updated ?? clock.wallMs(),
    ...(log === undefined ? {} : { log }),
    ...(behind === undefined ? {} : { behind }),
  });
  const drift = (kept && (await driftOf(ledger, kept))) ?? asked;
  return drift === undefined ? (kept?.offset ?? from) : driftAnswer(drift, kept);
}

/** A place that is none of this log: going on there would pass over records, or read others as if nothing had been. */
function driftAnswer({ reason, detail, goOnAt }: LogDrift, consumer?: Consumer): Answer {
  if (consumer === undefined) return errorAnswer(416, reason, `The place is ${detail}`);
  const remedy = `To go on there: paddock collector consumers ${consumer.name} --offset ${goOnAt} --rewind`;
  return errorAnswer(416, reason, `${consumer.name} is at ${detail} ${remedy}`);
}

/** A consumer with how many records it has not read yet, or why its place is none of this log. */
async function shown({ ledger }: OperatorContext, consumer: Consumer): Promise<ShownConsumer> {
  const drift = await driftOf(ledger, consumer);
  if (drift !== undefined) return { ...consumer, problem: `It is at ${drift.detail}` };
  return { ...consumer, lag: ledger.logEnd() - consumer.offset };
}

type ShownConsumer = Consumer & ({ readonly problem: string } | { readonly lag: number });

function noConsumer(name: string): Answer {
  const shortName = name.slice(0, 64);
  const remedy = `To make one at the start of the log: paddock collector consumers ${shortName} --offset 0`;
  return errorAnswer(404, "not-found", `There is no consumer ${shortName}. ${remedy}`);
}

async function routeByName(context: OperatorContext, request: IncomingMessage, path: string): Promise<Answer> {
  const consumer = /^\/v1\/consumers\/([^/]+)$/u.exec(path)?.[1];
  if (consumer !== undefined && request.method === "GET") {
    const known = context.consumers.get(consumer);
    return known === undefined ? noConsumer(consumer) : jsonAnswer(200, await shown(context, known));
  }
  if (consumer !== undefined && request.method === "DELETE") {
    return (await context.consumers.remove(consumer)) ? jsonAnswer(200, { removed: consumer }) : noConsumer(consumer);
  }
  if (consumer !== undefined && request.method === "PUT") return putConsumer(context, request, consumer);
  const decision = /^\/v1\/gateways\/([0-9a-f]{8,64})\/(approve|deny)$/u.exec(path);
  if (decision !== null && request.method === "POST") {
    return decideGateway(context, decision[1]!, decision[2] === "approve" ? "approved" : "denied");
  }
  const gateway = /^\/v1\/gateways\/([0-9a-f]{8,64})$/u.exec(path)?.[1];
  if (gateway !== undefined && request.method === "DELETE") return removeGateway(context, gateway);
  const evidence = /^\/v1\/evidence\/([a-z0-9-]{1,128})\/close$/u.exec(path)?.[1];
  if (evidence !== undefined && request.method === "POST") return closeEvidence(context, request, evidence);
  const answer = (await answerRollout(context, request, path)) ?? (await answerSinks(context, request, path));
  if (answer !== undefined) return answer;
  return errorAnswer(404, "not-found", `${request.method} ${path.slice(0, 200)} is not known here.`);
}

async function putConsumer(context: OperatorContext, request: IncomingMessage, name: string): Promise<Answer> {
  const place = await readConsumerPlace(request);
  if (!place.ok) return errorAnswer(400, place.reason, place.detail);
  const { ledger, consumers, clock } = context;
  const { offset, rewind, log } = place.value;
  const nowMs = clock.wallMs();
  const isOther = log !== undefined && log !== logName(ledger);
  const meant = isOther ? await driftOf(ledger, { offset, updated: nowMs, log }) : undefined;
  if (meant !== undefined) return driftAnswer(meant);
  const kept = consumers.get(name);
  // Moving on from a place of another log would hide that there was one.
  const drift = kept === undefined || rewind ? undefined : await driftOf(ledger, kept);
  if (drift !== undefined) return driftAnswer(drift, kept);
  const logEnd = ledger.logEnd();
  const put = await consumers.put(name, offset, { rewind, logEnd, mark: await markAt(ledger, offset), nowMs });
  if (!put.ok) return errorAnswer(put.reason === "backwards" ? 409 : 400, put.reason, put.detail);
  return jsonAnswer(200, await shown(context, put.value));
}

async function decideGateway(context: OperatorContext, prefix: string, state: "approved" | "denied"): Promise<Answer> {
  const { registry, clock, log } = context;
  const found = findGateway(context.registry, prefix);
  const decided = "id" in found ? await registry.decide(found.id, state, clock.wallMs()) : found;
  if (decided === undefined) return neverEnrolled(prefix);
  if (!("id" in decided)) return decided;
  log.info("enrolment", { gateway: decided.id, label: decided.label, state: decided.state, by: "operator" });
  return jsonAnswer(200, { id: decided.id, label: decided.label, state: decided.state });
}

/** Forgets a gateway that handed nothing in. Without its entry, what it handed in could not be proven any more. */
async function removeGateway(context: OperatorContext, prefix: string): Promise<Answer> {
  const { registry, ledger, log } = context;
  const found = findGateway(context.registry, prefix);
  if (!("id" in found)) return found;
  if (found.state === "approved") return errorAnswer(409, "approved", `${found.id} is approved; deny it first.`);
  if (ledger.chains().some(({ id }) => hexOf(id.gateway) === found.id)) {
    return errorAnswer(
      409,
      "has-batches",
      `${found.id} has batches here, and its key proves them; denied it stays out.`,
    );
  }
  await registry.remove(found.id);
  log.info("enrolment", { gateway: found.id, label: found.label, state: "removed", by: "operator" });
  return jsonAnswer(200, { id: found.id, label: found.label, state: "removed" });
}

async function closeEvidence(context: OperatorContext, request: IncomingMessage, id: string): Promise<Answer> {
  const reason = await readReason(request);
  if (!reason.ok) return errorAnswer(400, reason.reason, reason.detail);
  const closed = await context.evidence.close(id, reason.value.why, context.clock.wallMs());
  if (closed === undefined) return errorAnswer(404, "not-found", `There is no evidence ${id}.`);
  context.log.info("evidence-closed", { id, gateway: closed.gateway, why: closed.closed?.why });
  return jsonAnswer(200, closed);
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
