import { createServer, type Server, type Socket } from "node:net";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { listenOnUnixSocket } from "@paddock/base/unix-socket.ts";
import { onLines } from "./lines.ts";
import { REQUEST_BYTES_MAX, type Answerers, type RequestName, type Response } from "./status-protocol.ts";

const CONNECTIONS_MAX = 16;
const IDLE_MS = 60_000;

/** Serves the status socket of a running gateway. */
export class StatusServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(answerers: Answerers) {
    this.#server = createServer((socket) => this.#serve(socket, answerers));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Throws LISTEN_FAILED; a socket file that nobody serves any more is replaced. */
  static async listen(path: string, answerers: Answerers): Promise<StatusServer> {
    const server = new StatusServer(answerers);
    await listenOnUnixSocket(server.#server, path, 0o600, "status socket");
    return server;
  }

  /** Its socket file goes with it. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket, answerers: Answerers): void {
    this.#sockets.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let last: Promise<void> = Promise.resolve();
    onLines(socket, REQUEST_BYTES_MAX, (line) => {
      last = respond(socket, last, answer(line, answerers));
    });
  }
}

/** The response to one line. Never rejects. */
export async function answer(line: string, answerers: Answerers): Promise<Response<unknown>> {
  let request: { readonly get?: unknown };
  try {
    request = JSON.parse(line) as { get?: unknown };
  } catch {
    return { ok: false, error: "REQUEST", message: "A request is one line of JSON." };
  }
  const name = String(request?.get);
  if (!Object.hasOwn(answerers, name)) {
    const nearest = nearestName(name, Object.keys(answerers));
    const hint = nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
    return { ok: false, error: "REQUEST", message: `There is no "${name}" to get.${hint}` };
  }
  try {
    const answerer = answerers[name as RequestName] as (request: unknown) => Promise<unknown>;
    return { ok: true, value: await answerer(request) };
  } catch (error) {
    return { ok: false, error: error instanceof PaddockError ? error.code : "INTERNAL", message: messageOf(error) };
  }
}

/** Responses leave in the order of their requests. */
async function respond(socket: Socket, earlier: Promise<void>, response: Promise<Response<unknown>>): Promise<void> {
  await earlier;
  const line = JSON.stringify(await response);
  if (socket.writable) socket.write(`${line}\n`);
}
