import type { Clock } from "@paddock/base/clock.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { errorAnswer, jsonAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Ledger } from "../ledger.ts";
import type { CollectorMetrics } from "../metrics.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import type { LastAnswer, LastAsk, LastTier } from "../sinks/last/ask.ts";
import type { KnownReading, TextFilter } from "../sinks/last/last-values.ts";
import { rfc3339 } from "../sinks/rfc3339.ts";
import type { SinksProcess } from "../sinks/sinks-process.ts";
import { findGateway } from "./find-gateway.ts";
import { readOffset } from "./queries.ts";

export interface LastContext {
  readonly ledger: Pick<Ledger, "logEnd">;
  readonly registry: Pick<GatewayRegistry, "all">;
  readonly sinks: () => Pick<SinksProcess, "hasLast" | "last"> | undefined;
  readonly metrics: Pick<CollectorMetrics, "lastReads">;
  readonly clock: Clock;
}

/** A newest reading as `GET /v1/last` gives it: docs/protocol.md §3.4. */
export interface ShownReading extends Record<string, unknown> {
  readonly gateway: string;
  readonly sensor: string;
  readonly name: string;
  readonly kind: KnownReading["reading"]["kind"];
  readonly value: number | string | boolean | null;
  readonly exact: string | null;
  readonly whyNoNumber: string | null;
  readonly unit: string | null;
  readonly time: string;
  readonly timeBy: string;
  readonly clock: string;
  /** Seconds since `time`; below 0 where a clock is ahead of the collector's. */
  readonly ageS: number;
  readonly offset: number;
  readonly part: number;
}

/** What `GET /v1/last` answers. */
export interface LastReport {
  readonly values: readonly ShownReading[];
  readonly next: string | null;
  readonly tier: LastTier | null;
  readonly offset: number | null;
  /** Records of the log that the memory has not taken yet. */
  readonly behind: number | null;
  readonly complete: boolean;
  readonly notes: readonly string[];
}

const KEYS = ["gateway", "sensor", "name", "limit", "after"];
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const TEXT_MAX = 4096;

/** Answers `GET /v1/last`. */
export async function answerLast(context: LastContext, search: URLSearchParams): Promise<Answer> {
  const query = readLastQuery(search);
  if (!query.ok) return errorAnswer(400, query.reason, query.detail);
  const { gateway: prefix, ...asked } = query.value;
  const gateway = prefix === undefined ? undefined : findGateway(context.registry, prefix);
  if (gateway !== undefined && !("id" in gateway)) return gateway;
  const sinks = context.sinks();
  if (sinks === undefined || !sinks.hasLast) {
    const remedy = 'It does with "last": {"enabled": true} in its configuration.';
    return errorAnswer(404, "off", `This collector has no last values in memory. ${remedy}`);
  }
  const { source, name, after, limit } = asked;
  const logEnd = context.ledger.logEnd();
  const answer = await sinks.last({ filter: { gateway: gateway?.id, source, name }, after, limit, logEnd });
  const refused = refusalOf(answer);
  context.metrics.lastReads.inc({ tier: refused === undefined ? (answer?.tier ?? "none") : "refused" });
  return refused ?? jsonAnswer(200, reportOf(answer!, logEnd, context.clock.wallMs()));
}

function refusalOf(answer: LastAnswer | undefined): Answer | undefined {
  const again = { retryAfterS: 1 };
  if (answer === undefined) return errorAnswer(503, "down", "The process of the sinks does not answer.", again);
  if (answer.isBusy === true) return errorAnswer(503, "busy", answer.notes.join(" "), again);
  const isStarting = answer.offset === null && answer.tier === undefined;
  return isStarting ? errorAnswer(503, "starting", "The last values are being read.", again) : undefined;
}

function reportOf(answer: LastAnswer, logEnd: number, nowMs: number): LastReport {
  const { values, next, tier, offset, isWhole, notes } = answer;
  return {
    values: values.map((value) => shown(value, nowMs)),
    next,
    tier: tier ?? null,
    offset,
    behind: offset === null ? null : Math.max(0, logEnd - offset),
    complete: isWhole,
    notes,
  };
}

function shown({ reading, since }: KnownReading, nowMs: number): ShownReading {
  const { source, timeUs, arrivedMs, index, offset, part, lane, epoch, seq, ...rest } = reading;
  const { gateway, name, ...measured } = rest;
  return {
    gateway,
    sensor: source,
    name,
    ...measured,
    time: rfc3339(timeUs),
    received: new Date(arrivedMs).toISOString(),
    ageS: Math.round(nowMs - timeUs / 1000) / 1000,
    offset,
    part,
    lane,
    epoch,
    seq,
    record: index,
    since,
  };
}

interface LastQuery extends Pick<LastAsk, "after" | "limit"> {
  /** The first digits of an id, or all of them. */
  readonly gateway: string | undefined;
  readonly source: TextFilter | undefined;
  readonly name: TextFilter | undefined;
}

function readLastQuery(search: URLSearchParams): Outcome<LastQuery, "query"> {
  for (const key of search.keys()) {
    if (!KEYS.includes(key)) return refuse("query", `${key} is not known; known are ${KEYS.join(", ")}.`);
    if (search.getAll(key).length > 1) return refuse("query", `${key} stands there more than once; name one.`);
  }
  const gateway = search.get("gateway") ?? undefined;
  if (gateway !== undefined && !/^[0-9a-f]{8,64}$/u.test(gateway)) {
    return refuse("query", `gateway is ${shortened(gateway)}; it is the first 8 to 64 hex digits of a gateway's id.`);
  }
  for (const key of ["sensor", "name", "after"]) {
    const text = search.get(key);
    if (text !== null && (text === "" || text.length > TEXT_MAX)) {
      return refuse("query", `${key} has ${text.length} characters; it has 1 to ${TEXT_MAX}, or leave it out.`);
    }
  }
  const limit = search.has("limit") ? readOffset(search, "limit") : accept(LIMIT_DEFAULT);
  if (!limit.ok) return limit;
  if (limit.value < 1 || limit.value > LIMIT_MAX) {
    return refuse("query", `limit is ${limit.value}; it is 1 to ${LIMIT_MAX}, and \`next\` gives the page behind it.`);
  }
  const [source, name] = [filterOf(search.get("sensor")), filterOf(search.get("name"))];
  return accept({ gateway, source, name, after: search.get("after"), limit: limit.value });
}

/** `text`, or `text*` for whatever begins so. */
function filterOf(text: string | null): TextFilter | undefined {
  if (text === null) return undefined;
  return text.endsWith("*") ? { text: text.slice(0, -1), isPrefix: true } : { text, isPrefix: false };
}

function shortened(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
