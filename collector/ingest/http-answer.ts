import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";

import { readiness } from "@paddock/base/metrics-listener.ts";
import type { BodyProblem } from "./read-body.ts";

/** One handler serves HTTP/2 and HTTP/1.1: these are the two shapes a request has. */
export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: `${JSON.stringify(value)}\n` };
}

/** The error body of docs/protocol.md §3.1. */
export function errorAnswer(
  status: number,
  code: string,
  message: string,
  more: { readonly item?: number | undefined; readonly retryAfterS?: number } = {},
): Answer {
  const item = more.item === undefined ? {} : { item: more.item };
  const headers = more.retryAfterS === undefined ? {} : { "retry-after": String(more.retryAfterS) };
  return jsonAnswer(status, { error: code, message, ...item }, headers);
}

/** Whether it can do its work: 200, or 503 with the reason in words. */
export function readyAnswer(unready: string | undefined): Answer {
  const { status, text } = readiness(unready);
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: text };
}

export const BUSY_RETRY_S = 1;

export function bodyRefusal(reason: BodyProblem | "content-type", detail: string): Answer {
  switch (reason) {
    case "too-large":
      return errorAnswer(413, reason, detail);
    case "busy":
      return errorAnswer(503, reason, detail, { retryAfterS: BUSY_RETRY_S });
    case "timeout":
      return errorAnswer(408, reason, detail);
    case "aborted":
    case "encoding":
    case "content-type":
      return errorAnswer(400, reason, detail);
  }
}

/**
 * Sends an answer. When the request's body was not read to its end, the sender is told to stop: by a reset with
 * NO_ERROR behind the answer (RFC 9113 §8.1). HTTP/1.1 has no such word, and closing at once would lose the answer: the
 * rest is dropped for a moment, then the connection. `goesOn` is false for the last answer over HTTP/1.1.
 */
export function sendAnswer(request: AnyRequest, response: AnyResponse, answer: Answer, goesOn = true): void {
  if (response.writableEnded || response.destroyed) return;
  const body = Buffer.from(answer.body ?? "");
  // Neither has content, and what its length would be is not said (RFC 9110 §8.6).
  const isBare = answer.status === 204 || answer.status === 304;
  const headers: Record<string, string> = {
    ...answer.headers,
    ...(isBare ? {} : { "content-length": String(body.length) }),
  };
  if ("stream" in response) {
    const { stream } = response;
    if (stream === undefined || stream.destroyed) return;
    response.writeHead(answer.status, headers);
    response.end(body);
    if (stream.endAfterHeaders || stream.readableEnded) return;
    stream.resume();
    stream.once("finish", () => {
      setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), RESET_AFTER_MS).unref();
    });
    return;
  }
  response.writeHead(answer.status, goesOn ? headers : { ...headers, connection: "close" });
  response.end(body);
  if (request.complete) return;
  request.resume();
  const giveUp = setTimeout(() => request.socket?.destroy(), DISCARD_MS).unref();
  request.once("close", () => clearTimeout(giveUp));
}

/**
 * A reset in the same turn as the end of the answer overtakes it, and the peer then waits for ever (seen with Node 24 on
 * both sides). What still arrives in this time is dropped.
 */
const RESET_AFTER_MS = 20;

/** How long the rest of a refused HTTP/1.1 body is read and dropped. */
const DISCARD_MS = 2000;

/** What streams share: the session, or the socket of HTTP/1.1. */
export function connectionOf(request: AnyRequest): object {
  return ("stream" in request ? request.stream.session : undefined) ?? request.socket;
}

/** Header value, or undefined when it is absent or given more than once. */
export function headerOf(request: AnyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}
