import type { Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { jsonLinesLog } from "@paddock/base/log.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { keyed, KEY_HEX, packOf, TYPE_NON, World } from "./fixture.ts";
import { UdpSocket } from "./udp-socket.ts";

/** A socket of node:dgram as far as UdpSocket uses it, with everything that the real one does by throwing. */
class FakeSocket extends EventEmitter {
  readonly sent: { readonly bytes: Uint8Array; readonly port: number; readonly address: string }[] = [];
  queuedBytes = 0;
  failing: Error | undefined;
  ended = false;

  bind(): void {
    queueMicrotask(() => this.emit("listening"));
  }

  address(): { address: string; port: number } {
    return { address: "::", port: 5683 };
  }

  getRecvBufferSize(): number {
    return 8 * 1024 * 1024;
  }

  getSendQueueSize(): number {
    if (this.ended) throw Object.assign(new Error("Not running"), { code: "ERR_SOCKET_DGRAM_NOT_RUNNING" });
    return this.queuedBytes;
  }

  getSendQueueCount(): number {
    return 0;
  }

  send(bytes: Uint8Array, port: number, address: string, sent: (error: Error | null) => void): void {
    if (this.ended) throw Object.assign(new Error("Not running"), { code: "ERR_SOCKET_DGRAM_NOT_RUNNING" });
    if (!(port > 0 && port < 0x1_0000))
      throw Object.assign(new RangeError("Bad port"), { code: "ERR_SOCKET_BAD_PORT" });
    this.sent.push({ bytes, port, address });
    const failure = this.failing ?? null;
    queueMicrotask(() => sent(failure));
  }

  close(): void {
    queueMicrotask(() => this.emit("close"));
  }
}

async function open(world: World) {
  const fake = new FakeSocket();
  const log: string[] = [];
  const { counters } = world.ingest;
  const socket = await UdpSocket.open({
    address: "::",
    port: 5683,
    clock: systemClock,
    log: jsonLinesLog("debug", (line) => void log.push(line)),
    handle: (bytes, from, port, receivedUs, reply) =>
      world.ingest.handleDatagram(bytes, world.ingest.endpoint(from, port), receivedUs, reply),
    sendFailed: () => counters.sendErrors++,
    handlerFailed: () => counters.handlerFailures++,
    createSocket: () => fake as unknown as Socket,
  });
  const receive = (bytes: Uint8Array, address: string, port: number): void =>
    void fake.emit("message", bytes, { address, port, family: "IPv6", size: bytes.length });
  return { fake, log, socket, receive, counters };
}

test("a frame from port 0 is taken and nobody is answered: RFC 768 has nobody there", async () => {
  const world = new World();
  const { fake, receive, counters, log } = await open(world);
  receive(world.encode({}), "2001:db8::1", 0);
  receive(world.encode({ type: TYPE_NON, noResponse: 26 }), "2001:db8::1", 0);
  receive(world.encode({ format: 60 }), "2001:db8::1", 0);
  receive(Buffer.from("40001234", "hex"), "2001:db8::1", 0);
  expect(world.sink.frames).toHaveLength(2);
  expect(fake.sent).toEqual([]);
  expect(counters).toMatchObject({ unanswerable: 3, answers: 0, sendErrors: 0, handlerFailures: 0 });
  receive(world.encode({}), "ff02::1", 7);
  receive(world.encode({}), "::", 7);
  expect(counters.unanswerable).toBe(5);
  receive(world.encode({}), "2001:db8::1", 1);
  expect(fake.sent).toMatchObject([{ port: 1, address: "2001:db8::1" }]);
  expect(log).toEqual([]);
});

test("every source port and length, through a socket that throws as node:dgram does: nothing leaves the handler", async () => {
  const world = new World({ sensors: { barn: { key: KEY_HEX } } });
  const { fake, receive, counters } = await open(world);
  const random = seededRandom(7);
  const seeds = [
    world.encode({}),
    world.encode({ type: TYPE_NON }),
    world.encode(keyed(1)),
    world.encode({ code: 1, path: ".well-known/core", format: null, payload: Buffer.alloc(0) }),
    world.encode({ block1: { num: 0, more: true, szx: 2 }, payload: packOf(80).subarray(0, 64) }),
    Buffer.from("40001234", "hex"),
  ];
  const addresses = ["2001:db8::1", "fe80::1%eth0", "::1", "::", "ff02::fd%eth0", "::ffff:192.0.2.1", "junk"];
  const lengths = [...Array(70).keys(), 1024, 1280, 1472, 9000, 65_507];
  for (const port of [0, 1, 5683, 40_000, 65_535]) {
    for (const address of addresses) {
      for (const length of lengths) {
        receive(random.bytes(length), address, port);
        for (const seed of seeds) receive(seed.subarray(0, length), address, port);
      }
    }
  }
  expect(counters.handlerFailures).toBe(0);
  expect(counters.datagrams).toBe(5 * addresses.length * lengths.length * (seeds.length + 1));
  expect(fake.sent.length).toBeGreaterThan(1000);
  expect(fake.sent.every(({ port, address }) => port > 0 && address !== "::" && !address.startsWith("ff"))).toBe(true);
  // The same where every send throws.
  fake.ended = true;
  for (const seed of seeds) receive(seed, "2001:db8::9", 7);
  expect(counters.sendErrors).toBeGreaterThan(0);
});

test("a handler that throws costs one datagram: it is counted, the log has the stack, the next one is taken", async () => {
  const world = new World();
  const { receive, counters, log } = await open(world);
  const submit = world.sink.submit.bind(world.sink);
  world.sink.submit = () => {
    throw new TypeError("a fault of our own");
  };
  for (let round = 0; round < 4; round++) receive(world.encode({}), "2001:db8::1", 7);
  world.sink.submit = submit;
  receive(world.encode({}), "2001:db8::1", 7);
  expect(counters.handlerFailures).toBe(4);
  expect(world.sink.frames).toHaveLength(1);
  expect(log.map((line) => JSON.parse(line) as object)).toMatchObject(
    [1, 2, 4].map((count) => ({ event: "datagram-failed", level: "error", count, code: "TypeError" })),
  );
  expect(log[0]).toContain("udp-socket.test.ts");
});

test("answers beyond the bound of the send queue are dropped and counted", async () => {
  const world = new World();
  const { fake, receive, counters } = await open(world);
  fake.queuedBytes = 1024 * 1024;
  receive(world.encode({}), "2001:db8::1", 7);
  expect([fake.sent.length, counters.sendErrors]).toEqual([1, 0]);
  fake.queuedBytes++;
  receive(world.encode({}), "2001:db8::1", 7);
  expect([fake.sent.length, counters.sendErrors]).toEqual([1, 1]);
  fake.queuedBytes = 0;
  fake.failing = Object.assign(new Error("no route"), { code: "ENETUNREACH" });
  receive(world.encode({}), "2001:db8::1", 7);
  await new Promise((resolve) => setImmediate(resolve));
  expect(counters.sendErrors).toBe(2);
});
