import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { isLinkLocal } from "@paddock/uplink/bfd/session-spec.ts";

/**
 * The address that the kernel's routes choose toward `remote`; undefined without a route, or where only a link-local
 * address is there yet. Sends nothing.
 */
export async function kernelSourceFor(remote: string): Promise<string | undefined> {
  const socket = createSocket(isIPv6(remote) ? "udp6" : "udp4");
  try {
    const connected = once(socket, "connect");
    socket.connect(9, remote);
    await connected;
    const { address } = socket.address();
    return isLinkLocal(address) && !isLinkLocal(remote) ? undefined : address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
