/*
 * Asks once over CoAP from a namespace and prints who answered, as JSON: [{ "from", "code" }, …]. Its one argument is
 * JSON: { from, to, port, payload (hex), waitMs, group (interface name, for a multicast destination) }.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";

const { from, to, port, payload, waitMs, group } = JSON.parse(process.argv[2]!) as {
  from: string;
  to: string;
  port: number;
  payload: string;
  waitMs: number;
  group?: string;
};
const answers: { from: string; code: number }[] = [];
const socket = createSocket("udp6");
socket.bind({ address: from, port: 0, exclusive: true });
await once(socket, "listening");
if (group !== undefined) socket.setMulticastInterface(`::%${group}`);
const { promise: heard, resolve } = Promise.withResolvers<void>();
socket.on("message", (bytes, remote) => {
  answers.push({ from: remote.address.split("%")[0]!, code: bytes[1]! });
  resolve();
});
socket.send(Buffer.from(payload, "hex"), port, to);
await Promise.race([heard, new Promise((done) => setTimeout(done, waitMs))]);
socket.close();
process.stdout.write(JSON.stringify(answers));
