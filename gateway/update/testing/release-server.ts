import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answering = (request: IncomingMessage, response: ServerResponse, content: Buffer | undefined) => void;

/** A server of releases, on ::1 unless told otherwise, that answers range requests, or answers as a test says. */
export class ReleaseServer {
  /** Bytes of bodies that were sent by range. */
  sentBytes = 0;
  requests = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(
    files: Readonly<Record<string, Buffer>>,
    answer: Answering = byRange,
    where: { readonly host: string; readonly port: number } = { host: "::1", port: 0 },
  ): Promise<ReleaseServer> {
    const server = createServer();
    const self = new ReleaseServer(server);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      self.requests++;
      const content = files[decodeURIComponent((request.url ?? "/").slice(1))];
      answer(request, response, content);
      response.on("finish", () => (self.sentBytes += Number(response.getHeader("content-length") ?? 0)));
    });
    await new Promise<void>((done) => server.listen(where, done));
    return self;
  }

  get url(): string {
    return `http://[::1]:${(this.#server.address() as AddressInfo).port}/`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** What a good server does (RFC 9110 §14). */
export const byRange: Answering = (request, response, content) => {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (content === undefined || range === null || Number(range[1]) >= content.length) {
    response.writeHead(content === undefined ? 404 : 416).end();
    return;
  }
  const [first, last] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)];
  response.setHeader("content-length", last - first + 1);
  response.writeHead(206, { "content-range": `bytes ${first}-${last}/${content.length}` });
  response.end(content.subarray(first, last + 1));
};
