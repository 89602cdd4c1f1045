import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { NotProcessed } from "./http-exchange.ts";
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

const openNothing = () => Promise.reject(new Error("nobody listens"));

test("a second connection that fails ends its request alone; the exchange is lost with the last one", async () => {
  const first = silentSocket();
  const exchange = new Http1Exchange("https://[::1]:1", first, openNothing, LIMITS, 4);
  const lost: string[] = [];
  exchange.onClosed((detail) => lost.push(detail));
  const { signal } = new AbortController();
  const ask = () => exchange.request({ method: "GET", path: "/", headers: {} }, signal);
  const waiting = ask().catch((error: Error) => error);
  await expect(ask()).rejects.toThrow("nobody listens");
  expect(lost).toEqual([]);
  first.destroy();
  expect(await waiting).toBeInstanceOf(Error);
  expect(await waiting).not.toBeInstanceOf(NotProcessed);
  await expect.poll(() => lost).toEqual(["nobody listens"]);
});

test("what met the end of a connection that had waited may go out at once when another is to be had", async () => {
  const first = silentSocket();
  const exchange = new Http1Exchange("https://[::1]:1", first, async () => silentSocket(), LIMITS, 4);
  const lost: string[] = [];
  exchange.onClosed((detail) => lost.push(detail));
  const asked = exchange.request({ method: "GET", path: "/", headers: {} }, new AbortController().signal);
  const outcome = asked.catch((error: Error) => error);
  await new Promise((resolve) => setImmediate(resolve));
  first.destroy();
  expect(await outcome).toBeInstanceOf(NotProcessed);
  expect(lost).toEqual([]);
  exchange.close();
});

test("connections that end for nothing are not followed for ever", async () => {
  let opened = 0;
  const open = async (): Promise<TLSSocket> => {
    opened++;
    const socket = silentSocket();
    setImmediate(() => socket.destroy());
    return socket;
  };
  const first = silentSocket();
  const exchange = new Http1Exchange("https://[::1]:1", first, open, LIMITS, 4);
  const lost: string[] = [];
  exchange.onClosed((detail) => lost.push(detail));
  first.destroy();
  await expect.poll(() => lost).toEqual(["the connection was closed"]);
  expect(opened).toBe(3);
});
