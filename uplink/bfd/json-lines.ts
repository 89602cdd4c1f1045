import type { Socket } from "node:net";

/** Bytes of one request; more is not a message of this protocol. */
export const REQUEST_BYTES_MAX = 256 * 1024;
/** Bytes of one answer: a report of all sessions that a speaker takes, each with the longest names there are. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that may wait for a reader before it counts as gone. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Reads newline-delimited JSON from a socket; a line that is none, or is longer than `lineCharsMax`, ends the
 * connection.
 */
export function onJsonLines(socket: Socket, lineCharsMax: number, onMessage: (message: unknown) => void): void {
  /** The line so far, in the pieces in which it came: a long one is put together once. */
  let pieces: string[] = [];
  let chars = 0;
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = chunk.split("\n");
    const last = lines.pop()!;
    for (const line of lines) {
      if (socket.destroyed) return;
      const whole = pieces.length === 0 ? line : pieces.join("") + line;
      pieces = [];
      chars = 0;
      if (whole.length > lineCharsMax) return void socket.destroy();
      if (whole.trim() === "") continue;
      let message: unknown;
      try {
        message = JSON.parse(whole);
      } catch {
        socket.destroy();
        return;
      }
      onMessage(message);
    }
    pieces.push(last);
    chars += last.length;
    if (chars > lineCharsMax) socket.destroy();
  });
}

/** Writes one line; a reader that does not keep up is disconnected rather than waited for. */
export function writeJsonLine(socket: Socket, message: unknown): void {
  if (socket.destroyed) return;
  // What waits already tells whether it reads: one answer alone may be longer than that.
  if (socket.writableLength > WAITING_BYTES_MAX) return void socket.destroy();
  socket.write(`${JSON.stringify(message)}\n`);
}
