import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { nodeHttp } from "@paddock/base/node-http.ts";
import type { Random } from "@paddock/base/random.ts";
import { CoapPoster } from "./coap-poster.ts";
import type { BridgeConfig, BridgeForm } from "./config.ts";
import { packForm } from "./form-pack.ts";

const BODY_BYTES_MAX = 16 * 1024;
const FORM_TYPE = "application/x-www-form-urlencoded";
const RETRY_AFTER_S = 5;

export interface HttpBridge {
  readonly address: string;
  readonly port: number;
  /** Answers 503 to whoever waits, and ends. */
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Takes what old scripts send, form fields by POST or a query by GET, and posts each as one confirmable SenML frame to a
 * gateway. 200 is answered behind the gateway's 2.04 alone: the reading is on its disk then. 400 for what is no reading,
 * 503 for whatever may pass. Throws LISTEN_FAILED.
 */
export async function startHttpBridge(
  config: BridgeConfig,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Promise<HttpBridge> {
  const poster = await CoapPoster.open({ ...config.gateway, answerMs: config.answerMs, clock, random });
  const forms = new Map(config.forms.map((form) => [form.path, form]));
  let running = 0;
  let closed: Promise<void> | undefined;

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const url = URL.parse(request.url ?? "/", "http://bridge");
    const form = url === null ? undefined : forms.get(url.pathname);
    if (url === null || form === undefined) return refusal(404, `No form is set up at ${url?.pathname.slice(0, 200)}.`);
    if (running >= config.requestsMax) return unavailable("too many requests wait");
    running++;
    try {
      const fields = await fieldsOf(request, url);
      return "status" in fields ? fields : await post(form, fields);
    } finally {
      running--;
    }
  };

  const post = async (form: BridgeForm, fields: URLSearchParams): Promise<Reply> => {
    const pack = packForm(form, fields);
    if (!pack.ok) return refusal(400, pack.detail);
    const end = await poster.post(["i", form.lane], pack.value);
    if (end.kind === "kept") return { status: 200, body: "OK\n" };
    log.warn("frame-not-kept", { path: form.path, why: end.detail });
    return unavailable(end.detail);
  };

  const server = nodeHttp().createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    request.on("error", () => {});
    response.on("error", () => {});
    answer(request)
      .catch((error: unknown) => {
        log.error("request-failed", { message: messageOf(error) });
        return refusal(500, "The bridge failed.");
      })
      .then((reply) => send(response, reply, closed !== undefined || reply.status === 413))
      .catch(() => response.destroy());
  });
  try {
    const { address, port } = await listen(server, config.listen);
    const close = (): Promise<void> =>
      (closed ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        poster.close();
      }));
    return { address, port, close };
  } catch (error) {
    poster.close();
    throw error;
  }
}

/** The fields of the query and, of a POST, those of the body, which count more. */
async function fieldsOf(request: IncomingMessage, url: URL): Promise<URLSearchParams | Reply> {
  if (request.method === "GET") return url.searchParams;
  if (request.method !== "POST")
    return { ...refusal(405, "Only GET and POST are known here."), headers: { allow: "GET, POST" } };
  const type = (request.headers["content-type"] ?? FORM_TYPE).split(";")[0]!.trim().toLowerCase();
  if (type !== FORM_TYPE) return refusal(415, `The body is ${type.slice(0, 80)}; send ${FORM_TYPE}.`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return refusal(413, `The body is longer than ${BODY_BYTES_MAX} bytes.`);
    chunks.push(chunk);
  }
  return new URLSearchParams([...url.searchParams, ...new URLSearchParams(Buffer.concat(chunks).toString("utf8"))]);
}

function refusal(status: number, detail: string): Reply {
  return { status, body: `${detail}\n` };
}

function unavailable(detail: string): Reply {
  const headers = { "retry-after": String(RETRY_AFTER_S) };
  return { status: 503, body: `Not kept: ${detail}. Send it again.\n`, headers };
}

function send(response: ServerResponse, { status, body, headers }: Reply, isLast: boolean): void {
  const close = isLast ? { connection: "close" } : {};
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers, ...close });
  response.end(body);
}

function listen(server: Server, { address, port }: BridgeConfig["listen"]): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const message = `listen: ${address} port ${port} cannot be bound: ${messageOf(error)}.`;
      reject(new PaddockError("LISTEN_FAILED", message, { cause: error }));
    });
    server.listen({ host: address, port }, () => resolve(server.address() as AddressInfo));
  });
}
