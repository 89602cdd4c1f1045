/*
 * What Node itself can do: a udp6 socket with a handler that only counts, or sends everything back. Started by fork;
 * tells its port, then its count whenever it is asked.
 *
 *     bare-receiver.ts count | echo
 */
import { createSocket } from "node:dgram";
import { serveFork } from "./forked.ts";

const echo = process.argv[2] === "echo";
let count = 0;
// The same receive buffer as the gateway's, and nothing to look up.
const socket = createSocket({
  type: "udp6",
  recvBufferSize: 4 * 1024 * 1024,
  lookup: (host, _options, callback) => callback(null, host, 6),
});
if (echo) {
  socket.on("message", (bytes, { port, address }) => {
    count++;
    socket.send(bytes, port, address);
  });
} else socket.on("message", () => count++);
socket.bind(0, "::1", () => serveFork({ port: socket.address().port }, () => ({ count })));
