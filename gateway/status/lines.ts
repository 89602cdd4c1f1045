import type { Socket } from "node:net";

/** Calls back for each line; a line above `maxBytes` breaks the connection. */
export function onLines(socket: Socket, maxBytes: number, callback: (line: string) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      callback(rest.toString("utf8", 0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.length > maxBytes) socket.destroy();
  });
}
