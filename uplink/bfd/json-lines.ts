import type { Socket } from "node:net";

/** Bytes of one line; more is not a message of this protocol. */
const LINE_BYTES_MAX = 256 * 1024;
/** Bytes that may wait for a reader before it counts as gone. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** Reads newline-delimited JSON from a socket; a line that is none, or is endless, ends the connection. */
export function onJsonLines(socket: Socket, onMessage: (message: unknown) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_BYTES_MAX) socket.destroy();
    for (const line of lines) {
      if (socket.destroyed) return;
      if (line.trim() === "") continue;
      let message: unknown;
      try {
        message = JSON.parse(line);
      } catch {
        socket.destroy();
        return;
      }
      onMessage(message);
    }
  });
}

/** Writes one line; a reader that does not keep up is disconnected rather than waited for. */
export function writeJsonLine(socket: Socket, message: unknown): void {
  if (socket.destroyed) return;
  socket.write(`${JSON.stringify(message)}\n`);
  if (socket.writableLength > WAITING_BYTES_MAX) socket.destroy();
}
