import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { LogReaders } from "./log-readers.ts";

const PIECE = Buffer.alloc(1 << 20);

let clock: VirtualClock;
let readers: LogReaders;
let server: Server;
/** Pieces taken from the log by each reader, in the order in which they came. */
let pulled: number[];

async function* pieces(reader: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  while (!signal.aborted) {
    pulled[reader]!++;
    yield await Promise.resolve(PIECE);
  }
}

/** As a follower at the end of the log. */
async function* waiting(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield Buffer.from("{}\n");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

beforeEach(async () => {
  clock = new VirtualClock();
  readers = new LogReaders(1, clock);
  pulled = [];
  server = createServer(({ url }, response) => {
    response.on("error", () => {});
    if (!readers.hasRoom()) return void response.writeHead(503).end();
    response.writeHead(200).flushHeaders();
    const reader = pulled.push(0) - 1;
    void readers.send(response, (signal) => (url === "/follow" ? waiting(signal) : pieces(reader, signal)));
  });
  server.listen(0, "::1");
  await once(server, "listening");
});

afterEach(async () => {
  readers.stop();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
});

async function connect(path = "/"): Promise<IncomingMessage> {
  const asked = request({ host: "::1", port: (server.address() as AddressInfo).port, path, agent: false });
  asked.on("error", () => {});
  const [answer] = (await once(asked.end(), "response")) as [IncomingMessage];
  answer.on("error", () => {});
  return answer;
}

function ended(answer: IncomingMessage): Promise<void> {
  return new Promise((resolve) => void answer.once("close", resolve));
}

/** Resolves when the reader has taken nothing more for some turns of the event loop: the kernel's buffers are full. */
async function stalled(reader: number): Promise<void> {
  for (let still = 0, last = -1; still < 50; still = pulled[reader] === last ? still + 1 : 0) {
    last = pulled[reader]!;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("a reader that takes nothing for 10 s gives way to another, and not before", async () => {
  const first = await connect();
  await stalled(0);
  const held = pulled[0]!;
  expect((await connect()).statusCode).toBe(503);
  clock.advance(9_999);
  expect((await connect()).statusCode).toBe(503);
  clock.advance(1);
  const second = await connect();
  expect(second.statusCode).toBe(200);
  expect(readers.count).toBe(1);
  expect(pulled[0]).toBe(held);
  // What was cut is no whole answer.
  const end = ended(first);
  first.resume();
  await end;
  expect(first.complete).toBe(false);
});

test("a reader that takes what comes keeps its place, however long it reads", async () => {
  const first = await connect();
  first.resume();
  for (let turn = 0; turn < 20; turn++) {
    const before = pulled[0]!;
    clock.advance(5000);
    while (pulled[0]! < before + 4) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(readers.hasRoom()).toBe(false);
  }
});

test.each(["/", "/follow"])("an answer (%s) that a stop ends early does not pass for a whole one", async (path) => {
  const first = await connect(path);
  const end = ended(first);
  await once(first, "data");
  first.resume();
  readers.stop();
  await end;
  expect(first.complete).toBe(false);
});
