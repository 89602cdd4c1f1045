import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader, headerHash } from "@paddock/wire/batch-header.ts";
import { decodeBatches } from "@paddock/wire/batch.ts";
import { generateIdentity, type SigningIdentity } from "@paddock/wire/identity.ts";
import { laneOf, type Lane } from "@paddock/wire/lanes.ts";
import { decodeKeyProof } from "@paddock/wire/key-proof.ts";
import { signReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";

const unpack = promisify(zstdDecompress);

/** What the collector does with an upload instead of taking it. */
export type Mood =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly error?: string }
  /** Somebody else answers, in words of their own. */
  | { readonly status: number; readonly words: string }
  /** Never answers; whether it keeps the batches says `keeps`. */
  | { readonly hang: true; readonly keeps: boolean };

export interface Upload {
  readonly method: string;
  readonly lane: Lane;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly path: string;
  readonly encoding: string | undefined;
  readonly httpVersion: string;
}

interface Kept {
  held: Ranges;
  bare: Ranges;
  readonly headers: Map<number, string>;
}

/** A collector in one process for tests: keeps headers in memory, signs receipts, and misbehaves when told to. */
export class FakeCollector {
  readonly identity: SigningIdentity;
  readonly uploads: Upload[] = [];
  readonly queries: string[] = [];
  enrolments = 0;
  enrolmentStatus = 200;
  /** What it says to an enrolment instead of JSON, as an ingress would. */
  enrolmentText: string | undefined;
  /** Says with the state of an enrolment that the claim code did not admit. */
  claimNotTaken = false;
  /** Asked before each upload is looked at. */
  mood: (upload: { lane: Lane; epoch: number; path: string }) => Mood | undefined = () => undefined;
  /** Waits so long before each answer, in ms. */
  delayMs = 0;
  /** Pings that came on all HTTP/2 sessions. */
  pings = 0;
  /** Ends each HTTP/2 session with a GOAWAY (NO_ERROR) at this request, and answers what came before; a connection of
   * HTTP/1.1 with the answer to it. */
  recycleAfter = Number.POSITIVE_INFINITY;
  /** Signs receipts; another key makes it an impostor behind the right certificate. */
  signer: SigningIdentity;
  /** Takes the payloads out of an upload before it is looked at, as something that ends TLS in between can. */
  strips: (path: string) => boolean = () => false;
  /** What requests about chains must be proven for; undefined: no proof is asked for. */
  challenge: string | undefined;
  /** Requests that came without a proof for `challenge`. */
  unproven = 0;
  /** Changes what the next receipts say before they are signed. */
  forge: (receipt: Omit<Receipt, "collector">) => Omit<Receipt, "collector"> = (receipt) => receipt;
  /** What it asks gateways to do, encoded; with another status it has none to give, as one that knows no directives. */
  directive: Uint8Array | undefined;
  directiveStatus = 200;
  /** How often it was asked for that. */
  directivesAsked = 0;
  /** Batches that came again with the same header. */
  repeated = 0;
  readonly #chains = new Map<string, Kept>();
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #allowHttp2: boolean;
  #server: Server | undefined;
  #port = 0;

  constructor(options: { identity?: SigningIdentity; allowHttp2?: boolean } = {}) {
    this.identity = options.identity ?? generateIdentity();
    this.signer = this.identity;
    this.#allowHttp2 = options.allowHttp2 ?? true;
  }

  get endpoint(): string {
    return `https://[::1]:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens on ::1, on the same port again after a stop. */
  async listen(): Promise<void> {
    const tls = { ...selfSigned(this.identity), minVersion: "TLSv1.3" } as const;
    const handle = (request: Http2ServerRequest, response: Http2ServerResponse) => {
      response.on("error", () => {});
      this.#answer(request, response).catch(() => response.destroy());
    };
    const server = this.#allowHttp2 ? http2Server(tls, handle, this.#sessions, this) : http1Server(tls, handle, this);
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen({ host: "::1", port: this.#port }, resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Cuts every connection at once and stops listening; what is kept stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** HTTP/2 sessions that are open here; a client knows of its own a little sooner. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Ends every HTTP/2 session with GOAWAY, as an orderly shutdown does. */
  sayGoodbye(): void {
    for (const session of this.#sessions) session.close();
  }

  /** Ends every connection in order, as an ingress does with those that are idle. */
  endConnections(): void {
    for (const socket of this.#sockets) socket.end();
  }

  /** Takes no more connections; those that are open stay. */
  refuseFurther(): void {
    this.#server?.close();
  }

  heldOf(gateway: Uint8Array, lane: Lane, epoch = 0): Ranges {
    return this.#kept(Buffer.from(gateway).toString("hex"), lane, epoch).held;
  }

  /** Of what is held, seqs whose payload never came. */
  bareOf(gateway: Uint8Array, lane: Lane, epoch = 0): Ranges {
    return this.#kept(Buffer.from(gateway).toString("hex"), lane, epoch).bare;
  }

  /** Pretends that another header is kept at this place. */
  plantFork(gateway: Uint8Array, lane: Lane, seq: number): void {
    this.#kept(Buffer.from(gateway).toString("hex"), lane, 0).headers.set(seq, "another");
  }

  #kept(gateway: string, lane: Lane, epoch: number): Kept {
    const key = `${gateway}/${lane}/${epoch}`;
    let kept = this.#chains.get(key);
    if (kept === undefined) this.#chains.set(key, (kept = { held: [], bare: [], headers: new Map() }));
    return kept;
  }

  async #answer(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (request.url === "/v1/enrolments") {
      this.enrolments++;
      response
        .writeHead(this.enrolmentStatus, this.#challengeHeader())
        .end(this.enrolmentText ?? JSON.stringify(this.claimNotTaken ? { claim: "not-taken" } : {}));
      return;
    }
    if (request.url.startsWith("/v1/directives/")) {
      this.directivesAsked++;
      if (this.directive === undefined) return void response.writeHead(204).end();
      return void response.writeHead(this.directiveStatus).end(this.directive);
    }
    const match = /^\/v1\/chains\/([0-9a-f]{64})\/(\w+)\/(\d+)$/.exec(request.url);
    const lane = laneOf(match?.[2] ?? "");
    if (match === null || lane === undefined) return void response.writeHead(404).end();
    const chain = { gateway: match[1]!, lane, epoch: Number(match[3]) };
    if (!this.#isProven(request)) {
      this.unproven++;
      return void response.writeHead(401, this.#challengeHeader()).end(JSON.stringify({ error: "prove-key" }));
    }
    if (request.method === "GET") this.queries.push(`${match[2]}/${chain.epoch}`);
    else if (await this.#take(chain, Buffer.concat(chunks), request, response)) return;
    const { held, bare } = this.#kept(chain.gateway, lane, chain.epoch);
    const says = {
      gateway: Buffer.from(chain.gateway, "hex"),
      lane,
      epoch: chain.epoch,
      held,
      bare: intersect(bare, held),
      linked: 0,
      head: null,
      received: Date.now(),
    };
    const receipt = signReceipt(this.signer, this.forge(says));
    response.writeHead(200, { "content-type": 'application/cose; cose-type="cose-sign1"' }).end(receipt);
  }

  #challengeHeader(): Record<string, string> {
    return this.challenge === undefined ? {} : { "paddock-challenge": this.challenge };
  }

  #isProven(request: Http2ServerRequest): boolean {
    if (this.challenge === undefined) return true;
    const token = /^Paddock (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const proof = decodeKeyProof(Buffer.from(token, "base64url"));
    return (
      proof.ok &&
      Buffer.from(proof.value.collector).equals(this.identity.id) &&
      Buffer.from(proof.value.challenge).toString("base64url") === this.challenge
    );
  }

  /** Takes an upload; true when it was answered, or left without an answer. */
  async #take(
    chain: { gateway: string; lane: Lane; epoch: number },
    body: Buffer,
    request: Http2ServerRequest,
    response: Http2ServerResponse,
  ): Promise<boolean> {
    const path = decodeURIComponent(String(request.headers["paddock-path"]));
    const mood = this.mood({ lane: chain.lane, epoch: chain.epoch, path });
    if (mood !== undefined && "words" in mood) {
      response.writeHead(mood.status).end(mood.words);
      return true;
    }
    if (mood !== undefined && "status" in mood) {
      response
        .writeHead(mood.status, mood.headers)
        .end(JSON.stringify({ error: mood.error ?? "told to", message: "" }));
      return true;
    }
    if (mood !== undefined && !mood.keeps) return true;
    const encoding = request.headers["content-encoding"];
    const batches = decodeBatches(encoding === "zstd" ? await unpack(body) : body);
    if (!batches.ok) throw new Error(batches.detail);
    const kept = this.#kept(chain.gateway, chain.lane, chain.epoch);
    const taken = batches.value.map(({ header }) => {
      const decoded = decodeHeader(header);
      if (!decoded.ok) throw new Error(decoded.detail);
      return { seq: decoded.value.position.seq, hash: headerHash(header).toString("hex") };
    });
    if (taken.some(({ seq, hash }) => (kept.headers.get(seq) ?? hash) !== hash)) {
      response.writeHead(409).end(JSON.stringify({ error: "fork", message: "another header is held" }));
      return true;
    }
    for (const [index, { seq, hash }] of taken.entries()) {
      const bare = batches.value[index]!.payload === null || this.strips(path);
      if (!bare) kept.bare = subtract(kept.bare, [[seq, seq]]);
      else if (!kept.headers.has(seq)) kept.bare = union(kept.bare, [[seq, seq]]);
      if (kept.headers.has(seq)) this.repeated++;
      kept.headers.set(seq, hash);
    }
    const first = taken[0]!.seq;
    const last = taken.at(-1)!.seq;
    kept.held = union(kept.held, [[first, last]]);
    const { lane, epoch } = chain;
    this.uploads.push({
      method: request.method,
      lane,
      epoch,
      first,
      last,
      path,
      encoding,
      httpVersion: request.httpVersion,
    });
    return mood !== undefined;
  }
}

type Handle = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

function http2Server(
  tls: { key: string; cert: string; minVersion: "TLSv1.3" },
  handle: Handle,
  sessions: Set<ServerHttp2Session>,
  collector: FakeCollector,
): Server {
  const server = createSecureServer({ ...tls, settings: { initialWindowSize: 4 * 1024 * 1024 } }, handle);
  server.on("session", (session) => {
    session.setLocalWindowSize(8 * 1024 * 1024);
    session.on("error", () => {});
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("ping", () => collector.pings++);
    let requests = 0;
    session.on("stream", () => {
      if (++requests === collector.recycleAfter) session.close();
    });
  });
  return server;
}

function http1Server(
  tls: { key: string; cert: string; minVersion: "TLSv1.3" },
  handle: Handle,
  collector: FakeCollector,
): Server {
  const server = createServer(tls, handle as unknown as RequestListener);
  server.on("connection", () => {
    server.maxRequestsPerSocket = Number.isFinite(collector.recycleAfter) ? collector.recycleAfter : 0;
  });
  return server;
}
