import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { Http1Exchange } from "./http1-exchange.ts";

const LIMITS = { requestIdleMs: 10_000, responseBytesMax: 1000, keepAliveMs: 10_000, keepAliveAnswerMs: 1000 };

/** Takes what is written and never answers. */
function silentSocket(): TLSSocket {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  return Object.assign(socket, { setKeepAlive: () => socket, setTimeout: () => socket }) as unknown as TLSSocket;
}

test("a connection that opens after the exchange was closed is closed, too", async () => {
  const opening = Promise.withResolvers<TLSSocket>();
  let opened = 0;
  const first = silentSocket();
  const open = (): Promise<TLSSocket> => {
    opened++;
    return opening.promise;
  };
  const exchange = new Http1Exchange("https://[::1]:1", first, open, LIMITS, 4);
  const { signal } = new AbortController();
  const requests = [1, 2].map(() => exchange.request({ method: "GET", path: "/", headers: {} }, signal));
  const answers = Promise.allSettled(requests);
  await expect.poll(() => opened).toBe(1);
  exchange.close();
  const late = silentSocket();
  opening.resolve(late);
  await expect.poll(() => late.destroyed).toBe(true);
  expect(first.destroyed).toBe(true);
  expect((await answers).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
