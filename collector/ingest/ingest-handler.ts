import type { Clock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { ChainId } from "@paddock/store/types.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { UPLOAD_BYTES_MAX } from "@paddock/wire/limits.ts";
import { chainOfPath, chainTitle, hexOf } from "../chain-name.ts";
import type { CollectorLimits } from "../config.ts";
import type { CollectorMetrics } from "../metrics.ts";
import type { Gateway, GatewayRegistry } from "../registry/gateway-registry.ts";
import { DirectiveAnswers } from "../rollout/directive-answers.ts";
import type { Rollouts } from "../rollout/rollouts.ts";
import type { Admission } from "./admission.ts";
import type { BodyLease } from "./body-budget.ts";
import type { ConnectionPlace } from "./connection-places.ts";
import { Enrolments } from "./enrolments.ts";
import {
  bodyRefusal,
  BUSY_RETRY_S,
  connectionOf,
  errorAnswer,
  headerOf,
  sendAnswer,
  type Answer,
  type AnyRequest,
  type AnyResponse,
} from "./http-answer.ts";
import { decompressZstd, readBody, type BodyProblem } from "./read-body.ts";
import { KeyProofs, type KeyProofProblem } from "./key-proofs.ts";
import type { Receipts } from "./receipts.ts";
import { takeUpload, type UploadContext } from "./upload.ts";
import { WrongSignatures } from "./wrong-signatures.ts";

export interface IngestContext extends UploadContext {
  readonly identity: Pick<SigningIdentity, "id">;
  readonly registry: GatewayRegistry;
  readonly receipts: Receipts;
  readonly admission: Admission;
  readonly rollouts: Pick<Rollouts, "directiveFor">;
  readonly metrics: CollectorMetrics;
  readonly limits: CollectorLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of a failure after which no write can be trusted. */
  readonly onFatal: (error: PaddockError) => void;
}

export interface IngestHandler {
  /** Answers one request, and tells the place of its connection whose key was shown; never throws. */
  readonly handle: (request: AnyRequest, response: AnyResponse, place: ConnectionPlace) => void;
  /** Turns new requests away with 503 and resolves when those in flight are answered, or after `withinMs`. */
  drain(withinMs: number): Promise<void>;
}

const RECEIPT_TYPE = 'application/cose; cose-type="cose-sign1"';
const FULL_RETRY_S = 60;
const NOT_ENROLLED_RETRY_S = 30;
const PATH_NAME_MAX = 64;

/** The gateways' side of the collector: docs/protocol.md §3.1 to §3.3, §3.5 and `GET /healthz`. */
export function ingestHandler(context: IngestContext): IngestHandler {
  const wrongSignatures = new WrongSignatures(context.clock);
  const keyProofs = new KeyProofs(context.identity.id, context.clock, wrongSignatures);
  const enrolments = new Enrolments({ ...context, keyProofs, wrongSignatures });
  const directives = new DirectiveAnswers(context.rollouts, context.clock);
  const inFlight = new Set<Promise<void>>();
  let draining = false;

  const answerTo = async (request: AnyRequest, place: ConnectionPlace): Promise<Answer> => {
    if (draining) return errorAnswer(503, "stopping", "The collector stops.", { retryAfterS: BUSY_RETRY_S });
    const path = (request.url ?? "").split("?", 1)[0]!;
    if (path === "/healthz") return onlyMethods(request, ["GET", "HEAD"]) ?? { status: 200, body: "ok\n" };
    if (path === "/v1/enrolments") {
      return onlyMethods(request, ["POST"]) ?? (await enrolments.answer(request, place));
    }
    const chain = chainOfPath(path);
    const asksFor = /^\/v1\/directives\/([0-9a-f]{64})$/u.exec(path)?.[1];
    if (chain === undefined && asksFor === undefined)
      return errorAnswer(404, "not-found", `There is nothing at ${path.slice(0, 200)}.`);
    const wrongMethod = onlyMethods(request, chain === undefined ? ["GET"] : ["GET", "POST"]);
    if (wrongMethod !== undefined) return wrongMethod;
    const gateway = context.registry.get(asksFor ?? hexOf(chain!.gateway));
    if (gateway === undefined || gateway.state === "denied") return notAdmitted(gateway);
    const proven = keyProofs.check(headerOf(request, "authorization"), gateway, connectionOf(request));
    if (gateway.state === "pending") {
      const answer = notAdmitted(gateway);
      if (!proven.ok) return withHeaders(answer, { "paddock-challenge": keyProofs.challenge(gateway.id) });
      place.known();
      return answer;
    }
    if (!proven.ok) return unproven(proven.reason, proven.detail, keyProofs.challenge(gateway.id));
    place.proven(gateway.id);
    const answer =
      chain === undefined ? directives.answer(gateway.id) : await answerProven(context, request, chain, gateway);
    return proven.value === undefined ? answer : withHeaders(answer, { "paddock-challenge": proven.value });
  };

  const handle = (request: AnyRequest, response: AnyResponse, place: ConnectionPlace): void => {
    request.on("error", () => {});
    response.on("error", () => {});
    const done = answerTo(request, place)
      .catch((error: unknown) => {
        if (error instanceof PaddockError && error.code === "STORE_WRITE_FAILED") context.onFatal(error);
        context.log.error("request-failed", { url: request.url?.slice(0, 200), message: messageOf(error) });
        return errorAnswer(503, "failed", "The collector could not do this now.", { retryAfterS: BUSY_RETRY_S });
      })
      .then((answer) => sendAnswer(request, response, answer, place.goesOn()))
      .finally(() => inFlight.delete(done));
    inFlight.add(done);
  };

  return {
    handle,
    async drain(withinMs) {
      draining = true;
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = context.clock.after(withinMs, resolve);
      await Promise.race([Promise.allSettled(inFlight), late]);
      timer.cancel();
    },
  };
}

function onlyMethods(request: AnyRequest, allowed: readonly string[]): Answer | undefined {
  if (allowed.includes(request.method ?? "")) return undefined;
  const answer = errorAnswer(405, "method", `Use ${allowed.join(" or ")} here.`);
  return { ...answer, headers: { ...answer.headers, allow: allowed.join(", ") } };
}

function notAdmitted(gateway: Gateway | undefined): Answer {
  if (gateway?.state === "denied") return errorAnswer(403, "denied", "The operator denied this gateway.");
  const message = gateway === undefined ? "This gateway never enrolled." : "The operator has not said yes yet.";
  return errorAnswer(403, "not-enrolled", message, { retryAfterS: NOT_ENROLLED_RETRY_S });
}

/** RFC 9110 §11.6.1: the scheme is ours, and the challenge comes in a field of its own, as it does to renew a proof. */
function unproven(reason: KeyProofProblem, detail: string, challenge: string): Answer {
  if (reason === "busy") return errorAnswer(429, reason, detail, { retryAfterS: BUSY_RETRY_S });
  return withHeaders(errorAnswer(401, reason, detail), {
    "www-authenticate": "Paddock",
    "paddock-challenge": challenge,
  });
}

function withHeaders(answer: Answer, headers: Readonly<Record<string, string>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

async function answerProven(
  context: IngestContext,
  request: AnyRequest,
  chain: ChainId,
  gateway: Gateway,
): Promise<Answer> {
  if (request.method !== "GET") return answerUpload(context, request, chain, gateway);
  const summary = context.ledger.chain(chain);
  if (summary === undefined) return errorAnswer(404, "no-chain", "Nothing of this chain is held.");
  return receiptAnswer(context.receipts.current(chain, summary));
}

function receiptAnswer(receipt: Buffer): Answer {
  return { status: 200, headers: { "content-type": RECEIPT_TYPE }, body: receipt };
}

async function answerUpload(
  context: IngestContext,
  request: AnyRequest,
  chain: ChainId,
  gateway: Gateway,
): Promise<Answer> {
  const { admission, metrics, log } = context;
  const admitted = admission.enter(gateway.id);
  if (!admitted.ok) {
    metrics.uploads.inc({ result: admitted.code });
    return errorAnswer(admitted.status, admitted.code, admitted.message, { retryAfterS: BUSY_RETRY_S });
  }
  try {
    if (hasTooManyChains(context, chain)) {
      const message = `The gateway has ${context.limits.maxChainsPerGateway} chains already.`;
      return errorAnswer(422, "chain-full", message);
    }
    const body = await uploadBody(context, request, admitted.lease);
    if (!body.ok) {
      metrics.uploads.inc({ result: body.reason });
      return bodyRefusal(body.reason, body.detail);
    }
    const startedUs = context.clock.monotonicUs();
    const taken = await takeUpload(context, chain, gateway.key, body.value, pathName(request));
    if (!taken.ok) {
      metrics.uploads.inc({ result: taken.code });
      if (taken.status === 409) metrics.evidence.inc({ kind: taken.code });
      log.warn("upload-refused", {
        chain: chainTitle(chain),
        code: taken.code,
        message: taken.message,
        item: taken.item,
      });
      const more = taken.status === 507 ? { item: taken.item, retryAfterS: FULL_RETRY_S } : { item: taken.item };
      return errorAnswer(taken.status, taken.code, taken.message, more);
    }
    metrics.uploads.inc({ result: "taken" });
    metrics.batches.inc({ outcome: "repeated" }, taken.repeatedBatches);
    metrics.batches.inc({ outcome: "stored" }, taken.batches - taken.repeatedBatches);
    metrics.records.inc(taken.storedRecords);
    metrics.bytes.inc(taken.storedBytes);
    metrics.uploadSeconds.observe((context.clock.monotonicUs() - startedUs) / 1e6);
    if (taken.delayMs !== null) metrics.delaySeconds.observe(Math.max(0, taken.delayMs / 1000));
    return receiptAnswer(context.receipts.current(chain, context.ledger.chain(chain), taken.seqs));
  } finally {
    admitted.leave();
  }
}

/** Every chain costs memory for good, so an approved gateway may not have any number of epochs. */
function hasTooManyChains({ ledger, limits }: IngestContext, chain: ChainId): boolean {
  if (ledger.chain(chain) !== undefined) return false;
  const own = ledger.chains().filter(({ id }) => Buffer.compare(id.gateway, chain.gateway) === 0);
  return own.length >= limits.maxChainsPerGateway;
}

async function uploadBody(
  { limits, clock, metrics }: IngestContext,
  request: AnyRequest,
  lease: BodyLease,
): Promise<Outcome<Buffer, BodyProblem | "content-type">> {
  const type = headerOf(request, "content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/cbor-seq") {
    return refuse("content-type", `content-type is ${type ?? "missing"}; an upload is application/cbor-seq.`);
  }
  const encoding = headerOf(request, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "zstd") {
    return refuse("encoding", `content-encoding ${encoding.slice(0, 40)} is not known here; send zstd or none.`);
  }
  const stated = Number(headerOf(request, "content-length") ?? 0);
  if (stated > UPLOAD_BYTES_MAX) {
    return refuse("too-large", `The body has ${stated} bytes; at most ${UPLOAD_BYTES_MAX} are allowed.`);
  }
  const bounds = {
    maxBytes: UPLOAD_BYTES_MAX,
    idleMs: limits.bodyIdleMs,
    totalMs: limits.bodyTotalMs,
    bytesPerS: limits.bodyBytesPerSMin,
  };
  const body = await readBody(request, bounds, lease, clock);
  if (!body.ok) return body;
  metrics.bodyBytes.inc({ encoding }, body.value.length);
  return encoding === "zstd" ? decompressZstd(body.value, UPLOAD_BYTES_MAX, lease) : accept(body.value);
}

function pathName(request: AnyRequest): string | null {
  const name = headerOf(request, "paddock-path");
  return name === undefined || name === "" ? null : name.slice(0, PATH_NAME_MAX);
}
