import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { request as httpsRequest } from "node:https";
import { chainText } from "../chain-name.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { signKeyProof } from "@paddock/wire/key-proof.ts";
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

/** Proofs of the keys that a test works with, by gateway id. */
export class TestProofs {
  readonly #identities = new Map<string, SigningIdentity>();
  readonly #proofs = new Map<string, string>();

  add(identity: SigningIdentity): void {
    this.#identities.set(Buffer.from(identity.id).toString("hex"), identity);
  }

  /** What a request to this path carries. */
  of(path: string): Readonly<Record<string, string>> {
    const authorization = this.#proofs.get(gatewayIn(path));
    return authorization === undefined ? {} : { authorization };
  }

  /** Signs the challenge of an answer, when the key of the gateway in the path is known. */
  take(path: string, { headers }: TestAnswer, collector: Uint8Array): boolean {
    const identity = this.#identities.get(gatewayIn(path));
    const challenge = headers["paddock-challenge"];
    if (identity === undefined || typeof challenge !== "string") return false;
    const proof = signKeyProof(identity, collector, Buffer.from(challenge, "base64url"));
    this.#proofs.set(gatewayIn(path), `Paddock ${proof.toString("base64url")}`);
    return true;
  }
}

function gatewayIn(path: string): string {
  return path.split("/")[3] ?? "";
}

/** A gateway's HTTP/2 connection, as plain as it gets. It pins nothing: tests of identity look at the certificate. */
export class GatewayClient {
  readonly session: ClientHttp2Session;
  readonly proofs: TestProofs;
  readonly #collector: Uint8Array;

  constructor(port: number, collector: Uint8Array, proofs = new TestProofs(), address = "::1") {
    this.proofs = proofs;
    this.#collector = collector;
    const host = address.includes(":") ? `[${address}]` : address;
    this.session = connect(`https://${host}:${port}`, { rejectUnauthorized: false });
    this.session.on("error", () => {});
  }

  /** Asks, and once more with a proof when one is wanted. */
  async ask(request: TestRequest): Promise<TestAnswer> {
    const answer = await this.askOnce(request);
    return answer.status === 401 && this.proofs.take(request.path, answer, this.#collector)
      ? this.askOnce(request)
      : answer;
  }

  askOnce({ method = "GET", path, headers: given = {}, body }: TestRequest): Promise<TestAnswer> {
    const headers = { ...this.proofs.of(path), ...given };
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

/** The same over HTTP/1.1, on a connection of its own, with what `proofs` has for the path. */
export function askHttp1(
  port: number,
  { method = "GET", path, headers: given = {}, body }: TestRequest,
  proofs: TestProofs,
): Promise<TestAnswer> {
  const headers = { ...proofs.of(path), ...given };
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
