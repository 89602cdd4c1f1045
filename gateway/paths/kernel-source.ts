import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";

/** The address that the kernel's routes choose toward `remote`; undefined without a route. Sends nothing. */
export async function kernelSourceFor(remote: string): Promise<string | undefined> {
  const socket = createSocket(isIPv6(remote) ? "udp6" : "udp4");
  try {
    const connected = once(socket, "connect");
    socket.connect(9, remote);
    await connected;
    return socket.address().address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
