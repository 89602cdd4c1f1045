import { lstat, rm } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nodeHttp } from "@paddock/base/node-http.ts";
import type { ListenAddress } from "../ingest/ingest-server.ts";
import type { OperatorHandler } from "./operator-routes.ts";

export interface OperatorServer {
  readonly socket: string;
  readonly address: ListenAddress | undefined;
  close(): Promise<void>;
}

/**
 * The operator's API on a Unix socket that only this user can open and, when asked for, on a loopback address for who
 * shows the token. A socket
 * file that an ended process left behind is replaced: the caller holds the lock of the data directory. Throws
 * LISTEN_FAILED.
 */
export async function startOperatorServer(
  handle: OperatorHandler["handle"],
  socket: string,
  loopback: (ListenAddress & { readonly token: string }) | null,
): Promise<OperatorServer> {
  await removeStaleSocket(socket);
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => closeServer(server)));
    await rm(socket, { force: true });
  };
  try {
    // The socket is born with mode 0600: bind happens inside listen, before anything else can run.
    const umask = process.umask(0o177);
    const onSocket = listen((request, response) => handle(request, response), { path: socket }, socket);
    process.umask(umask);
    servers.push(await onSocket);
    if (loopback === null) return { socket, address: undefined, close };
    const { address, port, token } = loopback;
    const withToken = (request: IncomingMessage, response: ServerResponse) => handle(request, response, token);
    const server = await listen(withToken, { host: address, port }, `${address} port ${port}`);
    servers.push(server);
    const bound = server.address() as AddressInfo;
    return { socket, address: { address: bound.address, port: bound.port }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  where: { path: string } | { host: string; port: number },
  name: string,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = nodeHttp().createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handle);
    server.once("error", (error) => {
      const message = `The operator's listener ${name} cannot be bound: ${messageOf(error)}.`;
      reject(new PaddockError("LISTEN_FAILED", message, { cause: error }));
    });
    server.listen(where, () => resolve(server));
  });
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new PaddockError("LISTEN_FAILED", `${path} exists and is no socket; choose another operator.socket.`);
  }
  await rm(path);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
