import { chmod, unlink } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { parseConfig } from "@paddock/base/config.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { type ControlResponse, REQUEST_SCHEMA } from "./control-protocol.ts";
import { onJsonLines, writeJsonLine } from "./json-lines.ts";
import type { SessionSpecInput } from "./session-spec.ts";
import type { Speaker } from "./speaker.ts";

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
  await removeStale(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let unsubscribe: (() => void) | undefined;
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      unsubscribe?.();
    });
    onJsonLines(socket, (message) => {
      const subscribe = (): void => {
        unsubscribe ??= speaker.subscribe((event) => writeJsonLine(socket, event));
      };
      writeJsonLine(socket, answer(speaker, message, subscribe, onAdd));
    });
  });
  server.listen(path);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new PaddockError("LISTEN_FAILED", `${path}: ${messageOf(error)}.`, { cause: error });
  }
  await chmod(path, 0o660);
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
        onAdd(request.session);
        speaker.add(request.session);
        return { id, ok: true, result: null };
      case "change":
        speaker.change(request.name, request.patch);
        return { id, ok: true, result: null };
      case "remove":
        speaker.remove(request.name);
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

/** A socket file of a speaker that was killed is removed; one that answers is somebody's. */
async function removeStale(path: string): Promise<void> {
  const probe = connect(path);
  const alive = await new Promise<boolean>((done) => {
    probe.once("connect", () => done(true));
    probe.once("error", () => done(false));
  });
  probe.destroy();
  if (alive) throw new PaddockError("LISTEN_FAILED", `${path}: another speaker listens there.`);
  await unlink(path).catch(() => {});
}
