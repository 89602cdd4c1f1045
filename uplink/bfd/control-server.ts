import { createServer, type Socket } from "node:net";
import { parseConfig } from "@paddock/base/config.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { listenOnUnixSocket } from "@paddock/base/unix-socket.ts";
import { type ControlResponse, REQUEST_SCHEMA } from "./control-protocol.ts";
import { onJsonLines, REQUEST_BYTES_MAX, writeJsonLine } from "./json-lines.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import type { Speaker } from "./speaker.ts";

/** As many as one answer of ANSWER_BYTES_MAX can tell of, however long their names are. */
const SESSIONS_MAX = 4096;

/** Called for each session that a client adds, before it is added. */
export type OnAdd = (session: SessionSpecInput) => void;

/**
 * Serves a speaker on a Unix socket. Sessions outlive the connection that added them, so that a restart of the client
 * does not look like a failure of the path. Throws LISTEN_FAILED.
 */
export async function serveControl(
  speaker: Speaker,
  path: string,
  onAdd: OnAdd = () => {},
): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let unsubscribe: (() => void) | undefined;
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      unsubscribe?.();
    });
    onJsonLines(socket, REQUEST_BYTES_MAX, (message) => {
      const subscribe = (): void => {
        unsubscribe ??= speaker.subscribe((event) => writeJsonLine(socket, event));
      };
      writeJsonLine(socket, answer(speaker, message, subscribe, onAdd));
    });
  });
  await listenOnUnixSocket(server, path, 0o660, "control socket");
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

function answer(speaker: Speaker, message: unknown, subscribe: () => void, onAdd: OnAdd): ControlResponse {
  const id = requestId(message);
  try {
    const request = parseConfig(REQUEST_SCHEMA, message, "BFD request");
    switch (request.do) {
      case "add":
        if (speaker.sessionCount >= SESSIONS_MAX && !speaker.has(request.session.owner ?? "", request.session.name)) {
          throw new PaddockError("BFD_INVALID", `this speaker has ${SESSIONS_MAX} sessions, more it does not take.`);
        }
        onAdd(request.session);
        speaker.add(request.session);
        return { id, ok: true, result: null };
      case "change":
        speaker.change(request.name, request.patch, request.owner);
        return { id, ok: true, result: null };
      case "remove":
        speaker.remove(request.name, request.owner);
        return { id, ok: true, result: null };
      case "subscribe":
        subscribe();
        return { id, ok: true, result: speaker.report() };
      case "list":
        return { id, ok: true, result: speaker.report() };
    }
  } catch (error) {
    if (error instanceof PaddockError) return { id, ok: false, code: error.code, message: error.message };
    throw error;
  }
}

function requestId(message: unknown): number | string | null {
  const id = (message as { id?: unknown } | null)?.id;
  return typeof id === "number" || typeof id === "string" ? id : null;
}
