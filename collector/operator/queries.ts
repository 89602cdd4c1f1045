import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import { messageOf } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { LogFormat } from "../log/log-line.ts";

export interface LogQuery {
  readonly from: number;
  /** Unix ms; when given it decides instead of `from`. */
  readonly since: number | undefined;
  readonly limit: number | undefined;
  readonly follow: boolean;
  readonly format: LogFormat;
}

const LOG_KEYS = ["from", "since", "limit", "follow"];

/** Reads the query of `GET /v1/log`. */
export function readLogQuery(search: URLSearchParams, acceptHeader: string | undefined): Outcome<LogQuery, "query"> {
  for (const key of search.keys()) {
    if (!LOG_KEYS.includes(key)) return refuse("query", `${key} is not known; known are ${LOG_KEYS.join(", ")}.`);
  }
  const from = search.has("from") ? readOffset(search, "from") : accept(0);
  if (!from.ok) return from;
  const limit = search.has("limit") ? readOffset(search, "limit") : accept(undefined);
  if (!limit.ok) return limit;
  const since = search.has("since") ? readTime(search.get("since")!) : accept(undefined);
  if (!since.ok) return since;
  const follow = search.get("follow") ?? "0";
  if (follow !== "0" && follow !== "1") return refuse("query", `follow is ${follow}; it is 0 or 1.`);
  const format = formatOf(acceptHeader ?? "*/*");
  if (format === undefined) return refuse("query", "Accept application/x-ndjson or application/cbor-seq.");
  return accept({ from: from.value, since: since.value, limit: limit.value, follow: follow === "1", format });
}

/** A whole number that is not negative, in the query under `name`. */
export function readOffset(search: URLSearchParams, name: string): Outcome<number, "query"> {
  const text = search.get(name) ?? "";
  const value = Number(text);
  if (/^\d{1,16}$/u.test(text) && Number.isSafeInteger(value)) return accept(value);
  return refuse("query", `${name} is ${JSON.stringify(text)}; it is a whole number from 0.`);
}

/** Unix ms of a time as RFC 3339 or as Unix ms. */
export function readTime(text: string): Outcome<number, "query"> {
  if (/^\d{1,15}$/u.test(text)) return accept(Number(text));
  const value = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/u.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isFinite(value)) return accept(value);
  return refuse("query", `${JSON.stringify(text)} is no time; write it as 2026-01-31T12:00:00Z or as Unix ms.`);
}

function formatOf(acceptHeader: string): LogFormat | undefined {
  if (acceptHeader.includes("application/cbor-seq")) return "cbor";
  return /application\/(x-ndjson|\*)|\*\/\*/u.test(acceptHeader) ? "ndjson" : undefined;
}

const Place = v.strictObject({
  offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  rewind: v.optional(v.boolean(), false),
});
const PLACE_BYTES_MAX = 1024;

/** Reads the body of `PUT /v1/consumers/{name}`. */
export async function readConsumerPlace(
  request: IncomingMessage,
): Promise<Outcome<v.InferOutput<typeof Place>, "body">> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > PLACE_BYTES_MAX) return refuse("body", `The body is longer than ${PLACE_BYTES_MAX} bytes.`);
      chunks.push(chunk);
    }
    return accept(v.parse(Place, JSON.parse(Buffer.concat(chunks).toString("utf8"))));
  } catch (error) {
    return refuse("body", `The body is {"offset": N, "rewind": false}: ${messageOf(error)}.`);
  }
}
