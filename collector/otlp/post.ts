import type { IncomingMessage, RequestOptions } from "node:http";
import { nodeHttp } from "@paddock/base/node-http.ts";

/** What a receiver answered. */
export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The first bytes of it. */
  readonly body: Buffer;
}

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** PEM text of the authorities that vouch for the receiver's certificate; undefined: those that Node.js knows. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** Answers here are messages of a few bytes. */
const BODY_BYTES_MAX = 65_536;

/** One request on a connection of its own. Rejects when no answer came whole; redirects are answers. */
export function post({ url, headers, body, ca, signal }: Post): Promise<PostAnswer> {
  return new Promise((resolve, reject) => {
    // As with node:http elsewhere: loaded where it is wanted.
    const { request } = url.protocol === "https:" ? process.getBuiltinModule("node:https") : nodeHttp();
    const always = { "content-length": String(body.length), connection: "close" };
    const options: RequestOptions & { ca?: string } = { method: "POST", headers: { ...headers, ...always }, signal };
    const sent = request(url, { ...options, agent: false, ...(ca === undefined ? {} : { ca }) });
    sent.once("error", reject);
    sent.once("response", (response) => {
      readAnswer(response).then(resolve, reject);
    });
    sent.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<PostAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    // Leaving the loop ends the connection.
    if (bytes >= BODY_BYTES_MAX) break;
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers["retry-after"],
    body: Buffer.concat(parts).subarray(0, BODY_BYTES_MAX),
  };
}
