import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { FakeCollector } from "./testing/fake-collector.ts";
import { connectEagerly } from "./tls-connect.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

test("a collector that comes back while an attempt waits is found by the next one beside it", async () => {
  const collector = new FakeCollector();
  await collector.listen();
  closers.push(() => collector.stop());
  const sockets: Socket[] = [];
  // The first connection is swallowed, as a SYN would be by a machine that is not there yet.
  const door = createServer((inner) => {
    sockets.push(inner);
    inner.on("error", () => {});
    if (sockets.length === 1) return void inner.resume();
    const outer = connect(collector.port, "::1");
    outer.on("error", () => {});
    inner.pipe(outer).pipe(inner);
  });
  await new Promise<void>((resolve) => door.listen({ host: "::1", port: 0 }, resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => door.close(resolve));
  });
  const target = {
    host: "::1",
    port: (door.address() as AddressInfo).port,
    source: undefined,
    publicKey: collector.identity.publicKeyRaw,
    ca: undefined,
    alpn: ["h2"],
    // The first attempt alone would wait for longer than the test may take.
    timeoutMs: 60_000,
  };
  const outcome = await connectEagerly(target, new AbortController().signal);
  expect(outcome.ok).toBe(true);
  expect(sockets).toHaveLength(2);
  await expect.poll(() => sockets[0]!.destroyed).toBe(true);
  if (outcome.ok) outcome.value.destroy();
});

test("given up by its caller, no attempt is left", async () => {
  const giving = new AbortController();
  const target = {
    host: "::1",
    port: 1,
    source: undefined,
    publicKey: new Uint8Array(32),
    ca: undefined,
    alpn: ["h2"],
  };
  giving.abort();
  const outcome = await connectEagerly({ ...target, timeoutMs: 60_000 }, giving.signal);
  expect(outcome).toMatchObject({ ok: false, reason: "unreachable", detail: "given up" });
});
