/* Sends the datagrams of its one argument (JSON, see datagrams.ts): a peer's forger, or its echo from earlier days. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Datagram } from "./datagrams.ts";

for (const { from, fromPort, hopLimit, to, toPort, payload } of JSON.parse(process.argv[2]!) as Datagram[]) {
  const socket = createSocket(isIPv6(from) ? "udp6" : "udp4");
  socket.bind({ address: from, port: fromPort, exclusive: true });
  await once(socket, "listening");
  socket.setTTL(hopLimit);
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(payload, "hex"), toPort, to, (error) => (error === null ? resolve() : reject(error)));
  });
  socket.close();
}
