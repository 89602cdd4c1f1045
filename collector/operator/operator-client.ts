import type { IncomingMessage } from "node:http";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nodeHttp } from "@paddock/base/node-http.ts";

export interface OperatorRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly accept?: string;
  readonly body?: unknown;
}

/** Asks the collector behind `socket` and gives its answer as a stream. Throws STATUS_UNREACHABLE when nobody answers. */
export function askStream(
  socket: string,
  { method = "GET", path, accept, body }: OperatorRequest,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(accept === undefined ? {} : { accept }),
      ...(content === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(content) }),
    };
    const sent = nodeHttp().request({ socketPath: socket, method, path, headers }, resolve);
    sent.once("error", (error) => {
      const message = `No collector answers on ${socket}: ${messageOf(error)}.`;
      const remedy = "Check that the collector runs as this user, and that --config or --socket names it.";
      reject(new PaddockError("STATUS_UNREACHABLE", message, { cause: error, remedy }));
    });
    sent.end(content);
  });
}

/** As `askStream`, collecting the answer. Throws COLLECTOR_REFUSED with the collector's own words when it refuses. */
export async function ask(socket: string, wanted: OperatorRequest): Promise<Buffer> {
  const answer = await askStream(socket, wanted);
  const body = await collect(answer);
  refuseError(answer, body);
  return body;
}

export async function askJson<Value>(socket: string, wanted: OperatorRequest): Promise<Value> {
  return JSON.parse((await ask(socket, wanted)).toString("utf8")) as Value;
}

/** Throws COLLECTOR_REFUSED for an answer that is an error; its body is read to the end. */
export async function refuseErrorStream(answer: IncomingMessage): Promise<void> {
  if ((answer.statusCode ?? 500) >= 400) refuseError(answer, await collect(answer));
}

/** The offset behind the newest record of the log. Throws STATUS_UNREACHABLE and COLLECTOR_REFUSED. */
export async function logEndOf(socket: string): Promise<number> {
  const answer = await askStream(socket, { path: "/v1/log?limit=0" });
  refuseError(answer, await collect(answer));
  const end = Number(answer.headers["paddock-end"] ?? Number.NaN);
  if (Number.isSafeInteger(end)) return end;
  throw new PaddockError("COLLECTOR_REFUSED", "The collector does not say where its log ends.");
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function refuseError(answer: IncomingMessage, body: Buffer): void {
  const status = answer.statusCode ?? 500;
  if (status < 400) return;
  throw new PaddockError("COLLECTOR_REFUSED", `The collector refuses (${status}): ${messageIn(body)}`);
}

function messageIn(body: Buffer): string {
  try {
    return (JSON.parse(body.toString("utf8")) as { message: string }).message;
  } catch {
    return body.toString("utf8").slice(0, 200);
  }
}
