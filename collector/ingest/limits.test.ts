import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { type Clock, systemClock, VirtualClock } from "@paddock/base/clock.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { encodeBatches } from "@paddock/wire/batch.ts";
import { ask } from "../operator/operator-client.ts";
import { chainPath, GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";

let collector: TestCollector;

afterEach(() => collector.end());

async function start(
  limits: Readonly<Record<string, number>>,
  clock: Clock = systemClock,
): Promise<{ client: GatewayClient; sealer: Sealer }> {
  collector = await TestCollector.start({ limits }, { clock });
  const sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
  const client = collector.client();
  await client.receipt(sealer.chain);
  return { client, sealer };
}

/** Opens an upload and leaves it open. The promise is its status. */
function openUpload(client: GatewayClient, sealer: Sealer) {
  const stream = client.session.request({
    ...client.proofs.of(chainPath(sealer.chain)),
    ":method": "POST",
    ":path": chainPath(sealer.chain),
    "content-type": "application/cbor-seq",
  });
  stream.on("error", () => {});
  const status = new Promise<number>((resolve) => stream.on("response", (headers) => resolve(headers[":status"] ?? 0)));
  stream.resume();
  return { stream, status };
}

async function inFlight(): Promise<number> {
  const metrics = (await ask(collector.socket, { path: "/metrics" })).toString();
  return Number(/^paddock_collector_uploads_in_flight (\d+)$/mu.exec(metrics)?.[1]);
}

test("more uploads than one gateway may have are answered 429 on any connection, other gateways go on", async () => {
  const { client, sealer } = await start({ maxUploadsPerGateway: 1 });
  const other = new Sealer({ identity: testIdentity(2) });
  await collector.enrol(other.identity);
  await approve(other);
  const open = openUpload(client, sealer);
  open.stream.write(Buffer.alloc(1));
  const refused = await collector.client().upload(sealer.chain, sealer.sealMany(1));
  expect([refused.status, refused.headers["retry-after"], refused.json().error]).toEqual([429, "1", "busy"]);
  expect((await client.upload(other.chain, other.sealMany(1))).status).toBe(200);
  open.stream.close();
});

test("who has not proven the gateway's key takes no place and no byte, however slow and many", async () => {
  const { client, sealer } = await start({ maxUploads: 2, maxUploadsPerGateway: 2 });
  const stranger = new GatewayClient(collector.port, collector.identity.id);
  const slow = Array.from({ length: 16 }, () => openUpload(stranger, sealer));
  for (const { stream } of slow) stream.write(Buffer.alloc(1000));
  for (const { status } of slow) expect(await status).toBe(401);
  const held = (await ask(collector.socket, { path: "/metrics" })).toString();
  expect(held).toMatch(/^paddock_collector_uploads_in_flight 0$/mu);
  expect(held).toMatch(/^paddock_collector_body_bytes_in_flight 0$/mu);
  expect((await stranger.askOnce({ path: chainPath(sealer.chain) })).status).toBe(401);
  expect((await client.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
  await stranger.close();
});

test("slow enrolments take no place of an upload, and a connection has few of them", async () => {
  const { client, sealer } = await start({ maxUploads: 1 });
  const stranger = collector.client();
  const slow = Array.from({ length: 9 }, () => {
    const stream = stranger.session.request({ ":method": "POST", ":path": "/v1/enrolments" });
    stream.on("error", () => {});
    stream.write(Buffer.alloc(1));
    return new Promise<number>((resolve) => stream.on("response", (headers) => resolve(headers[":status"] ?? 0)));
  });
  expect(await Promise.race(slow)).toBe(429);
  expect((await client.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
  expect((await collector.enrol(testIdentity(9))).status).toBe(202);
});

test("strangers who fill every place of enrolment with slow requests keep nobody out", async () => {
  await start({});
  const strangers = Array.from({ length: 33 }, () => collector.client());
  const refused: number[] = [];
  for (const { session } of strangers) {
    for (let count = 0; count < 8; count++) {
      const stream = session.request({ ":method": "POST", ":path": "/v1/enrolments" });
      stream.on("error", () => {});
      stream.on("response", (headers) => refused.push(headers[":status"] ?? 0));
      stream.write(Buffer.alloc(1));
    }
  }
  // 264 ask for 256 places: who is turned away makes room for the next.
  await expect.poll(() => refused.length).toBe(8);
  expect(new Set(refused)).toEqual(new Set([503]));
  expect((await collector.enrol(testIdentity(1), { claim: CLAIM })).status).toBe(200);
  expect((await collector.enrol(testIdentity(9))).status).toBe(202);
  for (const { session } of strangers) session.destroy();
});

test("more uploads than the collector takes are answered 503", async () => {
  const { client, sealer } = await start({ maxUploads: 1 });
  openUpload(client, sealer).stream.write(Buffer.alloc(1));
  const refused = await collector.client().upload(sealer.chain, sealer.sealMany(1));
  expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
});

test("an upload that stalls ends, and its place is free again", async () => {
  const clock = new VirtualClock();
  const { client, sealer } = await start({ maxUploads: 1, bodyIdleMs: 100 }, clock);
  const open = openUpload(client, sealer);
  open.stream.write(Buffer.alloc(1));
  await expect.poll(inFlight).toBe(1);
  clock.advance(100);
  expect(await open.status).toBe(408);
  expect((await client.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
});

test("an upload whose sender vanishes leaves its place", async () => {
  const { client, sealer } = await start({ maxUploads: 1 });
  openUpload(client, sealer).stream.write(Buffer.alloc(1));
  const other = collector.client();
  const body = sealer.sealMany(1);
  while ((await other.upload(sealer.chain, body)).status !== 503);
  client.session.destroy();
  let { status } = await other.upload(sealer.chain, body);
  while (status === 503) ({ status } = await other.upload(sealer.chain, body));
  expect(status).toBe(200);
});

test("too many enrolments at once are answered 429", async () => {
  const clock = new VirtualClock();
  await start({ enrolmentsPerS: 1 }, clock);
  const statuses: number[] = [];
  for (let number = 10; number < 22; number++) statuses.push((await collector.enrol(testIdentity(number))).status);
  expect(statuses).toEqual([...Array.from({ length: 9 }, () => 202), 429, 429, 429]);
  clock.advance(1000);
  expect((await collector.enrol(testIdentity(22))).status).toBe(202);
});

test("a flood of strangers cannot push out who is approved, and stays bounded", async () => {
  collector = await TestCollector.start({ limits: { maxPending: 2 } });
  const member = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(member.identity, { claim: CLAIM });
  for (let number = 10; number < 16; number++) expect((await collector.enrol(testIdentity(number))).status).toBe(202);
  await collector.restart();
  expect((await collector.client().upload(member.chain, member.sealMany(1))).status).toBe(200);
  const { gateways } = await import("../operator/operator-client.ts").then(({ askJson }) =>
    askJson<{ gateways: { state: string }[] }>(collector.socket, { path: "/v1/fleet" }),
  );
  expect(gateways.filter(({ state }) => state === "pending")).toHaveLength(2);
});

test("a peer that never begins a handshake is ended", async () => {
  collector = await TestCollector.start({ limits: { handshakeMs: 200 } });
  const silent = connectPlain(collector.port, "::1");
  silent.on("error", () => {});
  await closed(silent);
});

test("peers that speak nonsense at any layer end their own connection only", async () => {
  const { client, sealer } = await start({});
  const plain = connectPlain(collector.port, "::1");
  plain.on("error", () => {});
  plain.write("GET / HTTP/1.1\r\n\r\n");
  await closed(plain);
  for (const [protocol, nonsense] of [
    ["http/1.1", "GET / HTTP/9.9\r\nx\u0000y: z\r\n\r\n"],
    [
      "http/1.1",
      "POST /v1/enrolments HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz",
    ],
    ["h2", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"],
    ["h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001"],
  ] as const) {
    const peer: TLSSocket = connectTls({
      port: collector.port,
      host: "::1",
      rejectUnauthorized: false,
      ALPNProtocols: [protocol],
    });
    peer.on("error", () => {});
    await once(peer, "secureConnect");
    peer.write(Buffer.from(nonsense, "latin1"));
    peer.resume();
    await closed(peer);
  }
  const random = await client.ask({
    method: "POST",
    path: chainPath(sealer.chain),
    headers: { "content-type": "application/cbor-seq", "paddock-path": "x".repeat(4000) },
    body: encodeBatches(sealer.sealMany(1)),
  });
  expect(random.status).toBe(200);
});

test("strangers who hold every connection keep no gateway out, and push out none that has proven its key", async () => {
  const { client, sealer } = await start({ maxConnections: 3 });
  const strangers: Socket[] = [];
  for (let count = 0; count < 6; count++) {
    // Half of them busy: a handshake and requests that prove nothing are no reason to stay.
    const stranger = count % 2 === 0 ? connectPlain(collector.port, "::1") : collector.client().session.socket;
    stranger.on("error", () => {});
    strangers.push(stranger);
    if (count % 2 === 0) await once(stranger, "connect");
    else await expect.poll(() => stranger.remotePort).toBeDefined();
  }
  const newcomer = collector.client();
  expect((await newcomer.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
  expect((await client.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
  const metrics = (await ask(collector.socket, { path: "/metrics" })).toString();
  expect(Number(/^paddock_collector_connections (\d+)$/mu.exec(metrics)?.[1])).toBeLessThanOrEqual(3);
  expect(Number(/connection_errors_total\{kind="too-many"\} (\d+)/u.exec(metrics)?.[1])).toBeGreaterThanOrEqual(4);
  for (const stranger of strangers) stranger.destroy();
});

test("when all connections are gateways', the next one is turned away", async () => {
  // The enrolment has one of them.
  const { client, sealer } = await start({ maxConnections: 2 });
  const late = connectPlain(collector.port, "::1");
  late.on("error", () => {});
  await closed(late);
  expect((await client.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
});

test("TLS 1.2 is refused", async () => {
  await start({});
  const peer = connectTls({ port: collector.port, host: "::1", rejectUnauthorized: false, maxVersion: "TLSv1.2" });
  const [error] = (await once(peer, "error").catch((thrown: unknown) => [thrown])) as [Error];
  expect(error.message).toMatch(/protocol version|alert/iu);
});

test("the certificate shows the identity key", async () => {
  await start({});
  const peer = connectTls({ port: collector.port, host: "::1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  await once(peer, "secureConnect");
  expect([peer.getProtocol(), peer.alpnProtocol]).toEqual(["TLSv1.3", "h2"]);
  const shown = peer.getPeerX509Certificate()!.publicKey;
  expect(shown.equals(collector.identity.publicKey)).toBe(true);
  peer.destroy();
});

async function approve({ identity }: Sealer): Promise<void> {
  const id = Buffer.from(identity.id).toString("hex");
  await ask(collector.socket, { method: "POST", path: `/v1/gateways/${id}/approve` });
}

function closed(socket: Socket): Promise<unknown> {
  return socket.destroyed ? Promise.resolve() : once(socket, "close").catch(() => {});
}
