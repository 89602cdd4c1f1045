import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { request as httpsRequest } from "node:https";
import { chainText } from "../chain-name.ts";
import { encodeBatches, type EncodedBatch } from "@paddock/wire/batch.ts";
import type { ChainId } from "@paddock/store/types.ts";

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  json(): { error?: string; message?: string; item?: number; state?: string };
}

export interface TestRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** A gateway's HTTP/2 connection, as plain as it gets. It pins nothing: tests of identity look at the certificate. */
export class GatewayClient {
  readonly session: ClientHttp2Session;

  constructor(port: number, address = "::1") {
    const host = address.includes(":") ? `[${address}]` : address;
    this.session = connect(`https://${host}:${port}`, { rejectUnauthorized: false });
    this.session.on("error", () => {});
  }

  ask({ method = "GET", path, headers = {}, body }: TestRequest): Promise<TestAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request(
        { ":method": method, ":path": path, ...headers },
        { endStream: body === undefined },
      );
      let answered: IncomingHttpHeaders & { ":status"?: number | undefined } = {};
      const chunks: Buffer[] = [];
      stream.on("response", (received) => (answered = received));
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("close", () => {
        if (answered[":status"] === undefined) reject(new Error("closed without an answer"));
        else resolve(answerOf(answered[":status"], answered, Buffer.concat(chunks)));
      });
      if (body !== undefined) stream.end(body);
    });
  }

  upload(
    chain: ChainId,
    batches: readonly EncodedBatch[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestAnswer> {
    return this.ask(uploadRequest(chain, encodeBatches(batches), headers));
  }

  receipt(chain: ChainId): Promise<TestAnswer> {
    return this.ask({ path: chainPath(chain) });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.session.close(() => resolve()));
  }
}

export function chainPath(chain: ChainId): string {
  return `/v1/chains/${chainText(chain)}`;
}

export function uploadRequest(
  chain: ChainId,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): TestRequest {
  return {
    method: "POST",
    path: chainPath(chain),
    headers: { "content-type": "application/cbor-seq", ...headers },
    body,
  };
}

/** The same over HTTP/1.1, on a connection of its own. */
export function askHttp1(port: number, { method = "GET", path, headers = {}, body }: TestRequest): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      { host: "::1", port, method, path, headers, rejectUnauthorized: false, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => resolve(answerOf(answer.statusCode ?? 0, answer.headers, Buffer.concat(chunks))));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

function answerOf(status: number, headers: TestAnswer["headers"], body: Buffer): TestAnswer {
  return { status, headers, body, json: () => JSON.parse(body.toString("utf8")) as ReturnType<TestAnswer["json"]> };
}
