import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { connect, type AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { Http2Exchange } from "./http2-exchange.ts";

const LIMITS = { requestIdleMs: 10_000, responseBytesMax: 1000, keepAliveMs: 10_000, keepAliveAnswerMs: 1000 };

const server = createServer();
let exchange: Http2Exchange | undefined;
afterEach(() => {
  exchange?.close();
  server.removeAllListeners("stream");
  server.close();
});

async function ask(answer: (stream: ServerHttp2Stream) => void): Promise<{ status: number; body: Buffer }> {
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream);
  });
  server.listen(0, "::1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "::1");
  await once(socket, "connect");
  exchange = new Http2Exchange(`http://[::1]:${port}`, socket as TLSSocket, LIMITS);
  return exchange.request({ method: "GET", path: "/", headers: {} }, new AbortController().signal);
}

test("a whole answer is given", async () => {
  const answer = await ask((stream) => {
    stream.respond({ ":status": 200, "content-length": 3 });
    stream.end("yes");
  });
  expect(answer).toMatchObject({ status: 200, body: Buffer.from("yes") });
});

test.each([0, 8])(
  "an answer that is cut short with reset code %i is none: what it confirms is not known",
  async (code) => {
    const answer = ask((stream) => {
      stream.respond({ ":status": 200, "content-length": 300 });
      stream.close(code);
    });
    await expect(answer).rejects.toThrow(Error);
  },
);

test("an answer whose session ends under it is none", async () => {
  const answer = ask((stream) => {
    stream.respond({ ":status": 200, "content-length": 3 });
    stream.write("ye", () => stream.session?.destroy());
  });
  await expect(answer).rejects.toThrow(Error);
});
