import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** A TCP port of ::1 that nobody has, for programs of others that do not say which one they got. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "::1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
