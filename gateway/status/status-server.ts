import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nearestName } from "@paddock/base/nearest.ts";
import { onLines } from "./lines.ts";
import { REQUEST_BYTES_MAX, type Answerers, type RequestName, type Response } from "./status-protocol.ts";

const CONNECTIONS_MAX = 16;
const IDLE_MS = 60_000;

/** Serves the status socket of a running gateway. */
export class StatusServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #path: string;

  private constructor(path: string, answerers: Answerers) {
    this.#path = path;
    this.#server = createServer((socket) => this.#serve(socket, answerers));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Throws LISTEN_FAILED; a socket file that nobody serves any more is replaced. */
  static async listen(path: string, answerers: Answerers): Promise<StatusServer> {
    if (await isServed(path)) {
      throw new PaddockError("LISTEN_FAILED", `Another process serves the status socket ${path}.`);
    }
    const server = new StatusServer(path, answerers);
    try {
      await rm(path, { force: true });
      await server.#bind();
      await chmod(path, 0o600);
    } catch (error) {
      throw new PaddockError("LISTEN_FAILED", `The status socket ${path}: ${messageOf(error)}.`, { cause: error });
    }
    return server;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }

  #bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      // The file comes into being with the process's mask: nobody else gets in before the chmod.
      const mask = process.umask(0o177);
      try {
        this.#server.listen(this.#path, () => resolve());
      } finally {
        process.umask(mask);
      }
    });
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

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
