import { once } from "node:events";
import { Agent, get } from "node:https";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { ask } from "../operator/operator-client.ts";
import { chainPath, GatewayClient } from "../testing/gateway-client.ts";
import { CLAIM, TestCollector } from "../testing/test-collector.ts";

const UNPROVEN_MS = 20_000;

let clock: VirtualClock;
let collector: TestCollector;
let sealer: Sealer;

beforeEach(async () => {
  clock = new VirtualClock();
  collector = await TestCollector.start({ limits: { unprovenMs: UNPROVEN_MS } }, { clock });
  sealer = new Sealer({ identity: testIdentity(1) });
  await collector.enrol(sealer.identity, { claim: CLAIM });
});
afterEach(() => collector.end());

async function metric(name: string): Promise<number> {
  const text = (await ask(collector.socket, { path: "/metrics" })).toString();
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`paddock_collector_${name} `))
      ?.split(" ")[1] ?? 0,
  );
}

test("a connection that shows no key ends soon, whatever else it does; one that has shown it stays", async () => {
  const gateway = collector.client();
  expect((await gateway.receipt(sealer.chain)).status).toBe(404);
  const stranger = new GatewayClient(collector.port, collector.identity.id);
  let goaway: number | undefined;
  stranger.session.on("goaway", (code: number) => (goaway = code));
  const silent = connectTls({ port: collector.port, host: "::1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  silent.on("error", () => {}).resume();
  const pings = setInterval(() => {
    if (!stranger.session.destroyed) stranger.session.ping(() => {});
  }, 100);
  const questions = [
    await stranger.askOnce({ path: chainPath(sealer.chain) }),
    await stranger.askOnce({ path: "/healthz" }),
  ];
  expect(questions.map(({ status }) => status)).toEqual([401, 200]);
  await expect.poll(() => metric("unproven_connections")).toBe(2);
  const ended = [once(stranger.session, "close"), once(silent, "close")];
  clock.advance(UNPROVEN_MS - 1);
  expect((await stranger.askOnce({ path: "/healthz" })).status).toBe(200);
  clock.advance(1);
  await Promise.all(ended);
  clearInterval(pings);
  expect(goaway).toBe(0);
  await expect.poll(() => metric('connection_errors_total{kind="unproven"}')).toBeGreaterThanOrEqual(2);
  expect(gateway.session.closed).toBe(false);
  expect((await gateway.upload(sealer.chain, sealer.sealMany(1))).status).toBe(200);
});

test("a gateway that waits for its yes keeps its connections, by asking or by its key", async () => {
  const waiting = testIdentity(5);
  expect((await collector.enrol(waiting)).status).toBe(202);
  const path = chainPath(new Sealer({ identity: waiting }).chain);
  const standby = collector.client();
  const first = await standby.askOnce({ path });
  expect([first.status, first.json().error]).toEqual([403, "not-enrolled"]);
  expect(collector.proofs.take(path, first, collector.identity.id)).toBe(true);
  const second = await standby.askOnce({ path });
  expect([second.status, second.headers["paddock-challenge"]]).toEqual([403, undefined]);
  const stranger = new GatewayClient(collector.port, collector.identity.id);
  await expect.poll(() => metric("unproven_connections")).toBe(3);
  clock.advance(UNPROVEN_MS);
  await once(stranger.session, "close");
  expect((await standby.askOnce({ path })).status).toBe(403);
});

test("over HTTP/1.1 an answer says beforehand that a connection without a key will not go on", async () => {
  const path = chainPath(sealer.chain);
  const request = (agent: Agent, headers: Readonly<Record<string, string>> = {}) =>
    new Promise<readonly [number | undefined, string | undefined, Socket]>((resolve, reject) => {
      get({ host: "::1", port: collector.port, path, agent, headers, rejectUnauthorized: false }, (answer) => {
        const { socket } = answer;
        answer.resume().on("end", () => resolve([answer.statusCode, answer.headers.connection, socket]));
      }).on("error", reject);
    });
  const agents = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: 1 })) as [Agent, Agent];
  const [strangers, ingress] = agents;
  await collector.client().receipt(sealer.chain);
  const proof = collector.proofs.of(path);
  const [status, goesOn, first] = await request(strangers);
  expect([status, goesOn]).toEqual([401, "keep-alive"]);
  const [, , shared] = await request(ingress, proof);
  const gone = once(first, "close");
  clock.advance(UNPROVEN_MS / 2);
  expect(await request(strangers)).toEqual([401, "close", first]);
  await gone;
  // The ingress carries strangers as well: one gateway behind it is enough.
  expect(await request(ingress)).toEqual([401, "keep-alive", shared]);
  expect(await request(ingress, proof)).toEqual([404, "keep-alive", shared]);
  for (const agent of agents) agent.destroy();
});
