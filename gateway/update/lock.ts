import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { listenOnUnixSocket } from "@paddock/base/unix-socket.ts";
import type { DevicePaths } from "./device.ts";

/** One change of releases at a time; to be closed, and ends with the process that has it. Throws UPDATE_REFUSED. */
export async function lockUpdates({ stateDir }: DevicePaths): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o755 });
    await listenOnUnixSocket(server, join(stateDir, "lock.sock"), 0o600, "lock of updates");
  } catch (error) {
    throw new PaddockError("UPDATE_REFUSED", `Releases cannot be changed now: ${messageOf(error)}`, {
      cause: error,
      remedy: "Wait until the update that is under way ends, and run this as root.",
    });
  }
  server.unref();
  return server;
}
