import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock, type Clock } from "@paddock/base/clock.ts";
import { errorAnswer, sendAnswer, type Answer } from "@paddock/collector/ingest/http-answer.ts";
import { LogReaders } from "@paddock/collector/operator/log-readers.ts";
import { answerStream } from "@paddock/collector/streams/durable-stream.ts";
import { offsetText } from "@paddock/collector/streams/stream-offset.ts";
import { MemoryStream } from "./memory-stream.ts";

/** The suite waits in earnest: everything that the protocol waits for comes ten times sooner. */
const hurried: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 10, callback) };

/** Of a long poll that nothing comes for. */
export const LONG_POLL_MS = 2000;

/**
 * Streams that can be made and written, as far as tests of reading need it, which the collector's log cannot; whatever
 * reads is answered by the collector's own code.
 */
export class MemoryStreams {
  readonly #streams = new Map<string, MemoryStream>();
  readonly #context = { readers: new LogReaders(1000, systemClock), clock: hurried, chance: Math.random };

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#answer(request, response)
      .then((answer) => (answer === undefined ? undefined : sendAnswer(request, response, answer)))
      .catch(() => response.destroy());
  };

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://streams");
    const stream = this.#streams.get(pathname);
    const { method } = request;
    if (method === "PUT") return this.#create(pathname, await bodyOf(request), request.headers["content-type"]);
    if (stream === undefined) return { ...errorAnswer(404, "not-found", pathname), headers: NOT_SNIFFED };
    if (method === "POST") {
      const body = await bodyOf(request);
      if (body.length === 0) return errorAnswer(400, "body", "An append has a body.");
      stream.append(body);
      return { status: 204, headers: headersOf(stream) };
    }
    if (method === "DELETE") return { status: this.#streams.delete(pathname) ? 204 : 404 };
    return answerStream(request, response, searchParams, stream, this.#context);
  }

  #create(path: string, body: Buffer, contentType = "application/octet-stream"): Answer {
    const known = this.#streams.get(path);
    if (known !== undefined) return { status: 200, headers: headersOf(known) };
    const [type = ""] = contentType.toLowerCase().split(";");
    const stream = new MemoryStream(randomBytes(16).toString("hex"), type);
    this.#streams.set(path, stream);
    if (body.length > 0) stream.append(body);
    return { status: 201, headers: headersOf(stream) };
  }
}

const NOT_SNIFFED = { "x-content-type-options": "nosniff" };

function headersOf(stream: MemoryStream): Record<string, string> {
  const next = offsetText(stream, stream.end());
  return { ...NOT_SNIFFED, "content-type": stream.contentType, "stream-next-offset": next };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
