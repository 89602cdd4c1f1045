import type { Server } from "node:http";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nodeHttp } from "@paddock/base/node-http.ts";
import { OPENMETRICS_CONTENT_TYPE } from "./openmetrics.ts";

/**
 * Serves `/metrics` over HTTP. Loads node:http only when it is called: most gateways never need it. Throws
 * LISTEN_FAILED.
 */
export async function serveMetrics(
  listen: { readonly address: string; readonly port: number },
  render: () => Promise<string>,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { createServer } = nodeHttp();
  const server: Server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    if (request.method !== "GET" || request.url?.split("?")[0] !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    render().then(
      (text) => response.writeHead(200, { "content-type": OPENMETRICS_CONTENT_TYPE }).end(text),
      (error: unknown) => response.writeHead(500).end(messageOf(error)),
    );
  });
  server.maxConnections = 16;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(new PaddockError("LISTEN_FAILED", `metrics.listen: ${messageOf(error)}.`, { cause: error }));
    });
    server.listen(listen.port, listen.address, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : listen.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
