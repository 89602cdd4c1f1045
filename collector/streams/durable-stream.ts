import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "@paddock/base/clock.ts";
import { errorAnswer, type Answer } from "../ingest/http-answer.ts";
import type { LogReaders } from "../operator/log-readers.ts";
import { cursorAt, offsetText, readStreamOffset, type Beginning } from "./stream-offset.ts";
import type { StreamChunk, StreamSource } from "./stream-source.ts";

/** A long poll that nothing came for is answered after this. */
const LONG_POLL_MS = 20_000;
/** The protocol asks for about a minute (§5.7), so that proxies can put readers together again. */
const SSE_MS = 60_000;

export interface StreamContext {
  readonly readers: LogReaders;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly chance: () => number;
}

const ALWAYS = { "x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin" };

/**
 * Reads a stream by the Durable Streams protocol, version 1.0: GET (catch-up, long-poll, SSE) and HEAD; all that would
 * write is 405. Returns the answer, or undefined when it was sent.
 */
export async function answerStream(
  request: IncomingMessage,
  response: ServerResponse,
  search: URLSearchParams,
  source: StreamSource,
  context: StreamContext,
): Promise<Answer | undefined> {
  const answered = await read(request, response, search, source, context);
  return answered === undefined ? undefined : { ...answered, headers: { ...ALWAYS, ...answered.headers } };
}

async function read(
  request: IncomingMessage,
  response: ServerResponse,
  search: URLSearchParams,
  source: StreamSource,
  context: StreamContext,
): Promise<Answer | undefined> {
  const { method } = request;
  if (method === "HEAD") return headAnswer(source);
  if (method !== "GET") {
    const refused = errorAnswer(405, "method", "This stream is read-only: what is in it came from gateways.");
    return { ...refused, headers: { ...refused.headers, allow: "GET, HEAD" } };
  }
  const live = search.get("live");
  if (live !== null && live !== "long-poll" && live !== "sse") {
    return errorAnswer(400, "query", "live is long-poll or sse.");
  }
  if (live !== null && !search.has("offset")) return errorAnswer(400, "query", "live needs an offset.");
  const begin = readStreamOffset(source, search.getAll("offset"));
  if (!begin.ok) return errorAnswer(begin.reason === "gone" ? 410 : 400, begin.reason, begin.detail);
  if (live === null) return catchUp(request, source, begin.value);
  if (!context.readers.hasRoom()) {
    return errorAnswer(503, "busy", `${context.readers.count} readers of the log are connected.`, { retryAfterS: 1 });
  }
  const cursor = () => cursorAt(context.clock.wallMs(), search.get("cursor"), context.chance());
  if (live === "long-poll") return longPoll(response, source, begin.value, cursor, context);
  await sendEvents(response, source, begin.value, cursor, context);
  return undefined;
}

function headAnswer(source: StreamSource): Answer {
  return {
    status: 200,
    headers: {
      "content-type": source.contentType,
      "stream-next-offset": offsetText(source, source.end()),
      "cache-control": "no-store",
    },
  };
}

async function catchUp(request: IncomingMessage, source: StreamSource, { place, isNow }: Beginning): Promise<Answer> {
  if (isNow) {
    const headers = { ...chunkHeaders(source, place), "cache-control": "no-store" };
    return { status: 200, headers, body: bodyOf(source, Buffer.alloc(0)) };
  }
  const chunk = await source.read(place);
  const etag = `"${source.name}:${place}:${chunk.next}"`;
  // Only who may read the log has it, and what is behind its end changes.
  const headers = { ...chunkHeaders(source, chunk.next), etag, "cache-control": "private, no-cache" };
  if (noneMatch(request.headers["if-none-match"], etag)) return { status: 304, headers };
  return { status: 200, headers, body: bodyOf(source, chunk.bytes) };
}

function noneMatch(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((one) => one.trim().replace(/^W\//u, "") === etag);
}

function chunkHeaders(source: StreamSource, next: number): Record<string, string> {
  return {
    "content-type": source.contentType,
    "stream-next-offset": offsetText(source, next),
    ...(next >= source.end() ? { "stream-up-to-date": "true" } : {}),
  };
}

async function longPoll(
  response: ServerResponse,
  source: StreamSource,
  { place }: Beginning,
  cursor: () => string,
  { readers, clock }: StreamContext,
): Promise<Answer | undefined> {
  const chunk = await readers.hold(response, async ({ signal }) => {
    await withLimit(clock, LONG_POLL_MS, signal, (ended) => source.growth(place, ended));
    return signal.aborted ? undefined : source.read(place);
  });
  if (chunk === undefined) return void response.destroy();
  const headers = { ...chunkHeaders(source, chunk.next), "stream-cursor": cursor(), "cache-control": "no-store" };
  if (chunk.next === place) return { status: 204, headers };
  return { status: 200, headers, body: bodyOf(source, chunk.bytes) };
}

/** Runs `wait` with a signal that also aborts after `ms`. */
async function withLimit(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  wait: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController();
  const timer = clock.after(ms, () => late.abort());
  try {
    await wait(AbortSignal.any([signal, late.signal]));
  } finally {
    timer.cancel();
  }
}

async function sendEvents(
  response: ServerResponse,
  source: StreamSource,
  { place }: Beginning,
  cursor: () => string,
  { readers, clock }: StreamContext,
): Promise<void> {
  const encoding = isText(source) ? {} : { "stream-sse-data-encoding": "base64" };
  const type = { "content-type": "text/event-stream", "cache-control": "no-cache, no-store" };
  response.writeHead(200, { ...ALWAYS, ...type, ...encoding });
  response.flushHeaders();
  const late = new AbortController();
  const timer = clock.after(SSE_MS, () => late.abort());
  response.once("close", () => timer.cancel());
  await readers.send(response, (signal) => events(source, place, cursor, AbortSignal.any([signal, late.signal])));
  timer.cancel();
}

/** Pairs of a data event and a control event; the control event alone while there is nothing yet. */
async function* events(
  source: StreamSource,
  from: number,
  cursor: () => string,
  ended: AbortSignal,
): AsyncGenerator<Buffer> {
  let next = from;
  for (let first = true; !ended.aborted; first = false) {
    const chunk: StreamChunk = next < source.end() ? await source.read(next) : { bytes: Buffer.alloc(0), next };
    if (first || chunk.next !== next) {
      next = chunk.next;
      const isUpToDate = next >= source.end();
      const control = {
        streamNextOffset: offsetText(source, next),
        streamCursor: cursor(),
        ...(isUpToDate ? { upToDate: true } : {}),
      };
      const data = chunk.bytes.length === 0 ? "" : dataEvent(source, chunk.bytes);
      yield Buffer.from(`${data}event: control\ndata:${JSON.stringify(control)}\n\n`);
      continue;
    }
    await source.growth(next, ended);
  }
}

/** A line of text must not begin a field of its own (HTML §9.2.6): each gets the name of the field, and the one blank that a reader takes away where it begins with one. */
function dataEvent(source: StreamSource, bytes: Buffer): string {
  const text = isText(source) ? bodyOf(source, bytes).toString("utf8") : bytes.toString("base64");
  const lines = text.split(/\r\n|\r|\n/u).map((line) => `data:${line.startsWith(" ") ? " " : ""}${line}\n`);
  return `event: data\n${lines.join("")}\n`;
}

function isText({ contentType }: StreamSource): boolean {
  return contentType.startsWith("text/") || isJson(contentType);
}

function isJson(contentType: string): boolean {
  return contentType === "application/json";
}

/** Of JSON an array of the messages, which are one a line (§7.1). */
function bodyOf({ contentType }: StreamSource, bytes: Buffer): Buffer {
  if (!isJson(contentType)) return bytes;
  return Buffer.from(`[${bytes.toString("utf8").trimEnd().replaceAll("\n", ",\n")}]`);
}
