import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { messageOf, PaddockError } from "./errors.ts";

/**
 * Binds `server` to the Unix socket `path`, whose file gets `mode` before anybody can connect. A socket that nobody
 * serves any more is replaced, and only that: what else has this name is somebody's file. `what` names the socket in
 * messages. Throws LISTEN_FAILED.
 */
export async function listenOnUnixSocket(server: Server, path: string, mode: number, what: string): Promise<void> {
  try {
    await removeStaleSocket(path);
    await bind(server, path, mode);
    await chmod(path, mode);
  } catch (error) {
    throw new PaddockError("LISTEN_FAILED", `The ${what} ${path}: ${messageOf(error)}.`, { cause: error });
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error("a file that is no socket has this name and stays; choose another path");
  const refusal = await connectRefusal(path);
  if (refusal === undefined) throw new Error("another process serves it");
  // Whoever may not connect cannot know that nobody serves it.
  if (refusal !== "ECONNREFUSED" && refusal !== "ENOENT") {
    throw new Error(`it cannot be told whether another process serves it (${refusal})`);
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** Why nobody can be reached there, as a system error code; undefined when somebody can. */
function connectRefusal(path: string): Promise<string | undefined> {
  return new Promise((settle) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      settle(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
  });
}

function bind(server: Server, path: string, mode: number): Promise<void> {
  return new Promise((settle, fail) => {
    server.once("error", fail);
    // The file comes into being with the process's mask: nobody gets in before the chmod.
    const mask = process.umask(0o777 & ~mode);
    try {
      server.listen(path, () => {
        server.off("error", fail);
        settle();
      });
    } finally {
      process.umask(mask);
    }
  });
}
