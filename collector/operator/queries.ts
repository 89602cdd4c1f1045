import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import { messageOf } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { LOG_CONTENT_TYPES, type LogRepresentation } from "../log/log-line.ts";
import { acceptedFormat } from "./accept.ts";

export interface LogQuery {
  readonly from: number;
  /** Unix ms; when given it decides instead of `from`. */
  readonly since: number | undefined;
  /** A consumer from whose place to read; when given it decides. */
  readonly consumer: string | undefined;
  /** The name of the log that the reader means, 32 hex digits. */
  readonly log: string | undefined;
  /** What is remembered of the batch before `from`, 32 hex digits, and Unix ms at which that was. */
  readonly behind: string | undefined;
  readonly updated: number | undefined;
  readonly limit: number | undefined;
  readonly follow: boolean;
  readonly format: LogRepresentation;
}

const LOG_KEYS = ["from", "since", "consumer", "log", "behind", "updated", "limit", "follow"];
/** Of a log's name, and of what stands behind a place. */
const LOG_NAME = /^[0-9a-f]{32}$/u;
const PLACE_KEYS = ["from", "since", "consumer"];

/** Reads the query of `GET /v1/log`. */
export function readLogQuery(search: URLSearchParams, acceptHeader: string | undefined): Outcome<LogQuery, "query"> {
  for (const key of search.keys()) {
    if (!LOG_KEYS.includes(key)) return refuse("query", `${key} is not known; known are ${LOG_KEYS.join(", ")}.`);
  }
  const places = PLACE_KEYS.filter((key) => search.has(key));
  if (places.length > 1) return refuse("query", `${places.join(" and ")} each say where to begin; name one.`);
  const from = search.has("from") ? readOffset(search, "from") : accept(0);
  if (!from.ok) return from;
  const limit = search.has("limit") ? readOffset(search, "limit") : accept(undefined);
  if (!limit.ok) return limit;
  const since = search.has("since") ? readTime(search.get("since")!) : accept(undefined);
  if (!since.ok) return since;
  const follow = search.get("follow") ?? "0";
  if (follow !== "0" && follow !== "1") return refuse("query", `follow is ${follow}; it is 0 or 1.`);
  const format = acceptedFormat(acceptHeader ?? "*/*");
  if (format === undefined) return refuse("query", `Accept ${Object.values(LOG_CONTENT_TYPES).join(" or ")}.`);
  const consumer = search.get("consumer") ?? undefined;
  const log = search.get("log") ?? undefined;
  if (log !== undefined && !LOG_NAME.test(log)) return refuse("query", "log is the name of a log, 32 hex digits.");
  const behind = search.get("behind") ?? undefined;
  if (behind !== undefined && !LOG_NAME.test(behind)) return refuse("query", "behind is 32 hex digits.");
  const updated = search.has("updated") ? readOffset(search, "updated") : accept(undefined);
  if (!updated.ok) return updated;
  const begin = { from: from.value, since: since.value, consumer, log, behind, updated: updated.value };
  return accept({ ...begin, limit: limit.value, follow: follow === "1", format });
}

/** A whole number that is not negative, in the query under `name`. */
export function readOffset(search: URLSearchParams, name: string): Outcome<number, "query"> {
  const text = search.get(name) ?? "";
  const value = Number(text);
  if (/^\d{1,16}$/u.test(text) && Number.isSafeInteger(value)) return accept(value);
  return refuse("query", `${name} is ${JSON.stringify(text)}; it is a whole number from 0.`);
}

/** Hours end at 23 and offsets at 23:59 (RFC 3339 §5.6); that a month has the day is looked at apart. */
const TIME = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/u;

/** Unix ms of a time as RFC 3339 or as Unix ms. */
export function readTime(text: string): Outcome<number, "query"> {
  if (/^\d{1,15}$/u.test(text)) return accept(Number(text));
  const day = TIME.exec(text)?.[1];
  // Date turns 31 February into 3 March.
  const midnight = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
  const exists = Number.isFinite(midnight) && new Date(midnight).toISOString().startsWith(day!);
  const value = exists ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(value)) return accept(value);
  return refuse("query", `${JSON.stringify(text)} is no time; write it as 2026-01-31T12:00:00Z or as Unix ms.`);
}

const Place = v.strictObject({
  offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  rewind: v.optional(v.boolean(), false),
  log: v.optional(v.pipe(v.string(), v.regex(LOG_NAME))),
});

/** Reads the body of `PUT /v1/consumers/{name}`. */
export function readConsumerPlace(request: IncomingMessage): Promise<Outcome<v.InferOutput<typeof Place>, "body">> {
  return readJson(request, Place, '{"offset": N, "rewind": false, "log": "32 hex digits, or absent"}');
}

const Reason = v.strictObject({ why: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(512)) });

/** Reads the body of `POST /v1/evidence/{id}/close`. */
export function readReason(request: IncomingMessage): Promise<Outcome<v.InferOutput<typeof Reason>, "body">> {
  return readJson(request, Reason, '{"why": "1 to 512 characters"}');
}

const BODY_BYTES_MAX = 2048;

/** Reads a body of JSON; `shape` says in a refusal what it is to be. */
export async function readJson<Schema extends v.GenericSchema>(
  request: IncomingMessage,
  schema: Schema,
  shape: string,
  bytesMax: number = BODY_BYTES_MAX,
): Promise<Outcome<v.InferOutput<Schema>, "body">> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > bytesMax) return refuse("body", `The body is longer than ${bytesMax} bytes.`);
      chunks.push(chunk);
    }
    return accept(v.parse(schema, JSON.parse(Buffer.concat(chunks).toString("utf8"))));
  } catch (error) {
    return refuse("body", `The body is ${shape}: ${messageOf(error)}.`);
  }
}
