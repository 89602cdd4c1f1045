import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { parseConfig } from "@paddock/base/config.ts";
import { silentLog } from "@paddock/base/log.ts";
import { systemRandom } from "@paddock/base/random.ts";
import { CODE_EMPTY, CODE_SERVICE_UNAVAILABLE, TYPE_ACK, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage, type CoapMessage } from "@paddock/wire/coap-message.ts";
import { openGateway } from "../compose.ts";
import { parseGatewayConfig } from "../config.ts";
import { storedFrames } from "../testing/stored-frames.ts";
import { BridgeConfigSchema } from "./config.ts";
import { startHttpBridge, type HttpBridge } from "./http-bridge.ts";

const FORMS = [{ path: "/log.php", name: "barn/", fields: [{ field: "t", name: "t", unit: "Cel" }] }];

let bridge: HttpBridge;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startBridge(port: number, change: object = {}): Promise<void> {
  const input = { listen: { address: "::1", port: 0 }, gateway: { address: "::1", port }, forms: FORMS, ...change };
  const config = parseConfig(BridgeConfigSchema, input, "test");
  const started = await startHttpBridge(config, { clock: systemClock, random: systemRandom, log: silentLog });
  cleanups.push(() => started.close());
  bridge = started;
}

async function ask(path: string, init?: RequestInit): Promise<[number, string]> {
  const response = await fetch(`http://[::1]:${bridge.port}${path}`, init);
  return [response.status, await response.text()];
}

describe("with a gateway", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "paddock-bridge-"));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
  });

  test("a form and a query become frames of its chain before they are answered; what is no reading does not", async () => {
    const config = parseGatewayConfig({
      dataDir: directory,
      listen: [{ address: "::1", port: 0 }],
      store: { minFreeBytes: 0, ballastBytes: 0 },
      discovery: { enabled: false, multicast: false },
    });
    const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
    cleanups.push(() => gateway.stop());
    await startBridge(gateway.addresses[0]!.port);
    expect(await ask("/log.php?t=21.5")).toEqual([200, "OK\n"]);
    expect(await ask("/log.php?t=9", { method: "POST", body: new URLSearchParams({ t: "22" }) })).toEqual([
      200,
      "OK\n",
    ]);
    expect(await ask("/log.php?t=warm")).toEqual([400, 't is "warm", which is no number.\n']);
    await gateway.stop();
    const { frames } = await storedFrames(directory);
    // The frames as they lie on the disk: {bn: "barn/", n: "t", u: "Cel", v: 21.5 as 215 * 10^-1} and v: 22.
    const hex = frames.map((frame) => Buffer.from(frame).toString("hex"));
    expect(hex).toEqual(["81a421656261726e2f006174016343656c02c4822018d7", "81a421656261726e2f006174016343656c0216"]);
  });
});

test("requests that are none of a form are refused in words", async () => {
  await startBridge(9);
  expect(await ask("/other")).toEqual([404, "No form is set up at /other.\n"]);
  expect((await ask("/log.php", { method: "PUT" }))[0]).toBe(405);
  const json = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  expect(await ask("/log.php", json)).toEqual([
    415,
    "The body is application/json; send application/x-www-form-urlencoded.\n",
  ]);
  const long = new URLSearchParams({ t: "1", more: "x".repeat(20_000) });
  expect((await ask("/log.php", { method: "POST", body: long }))[0]).toBe(413);
});

/** A gateway that does what it is told to. */
async function standIn(answer: (request: CoapMessage, reply: (message: CoapMessage) => void) => void): Promise<number> {
  const socket = createSocket("udp6");
  socket.bind(0, "::1");
  await once(socket, "listening");
  cleanups.push(() => socket.close());
  socket.on("message", (bytes, from) => {
    const message = readMessage(bytes);
    if (message.ok) answer(message.value, (reply) => socket.send(encodeMessage(reply), from.port, from.address));
  });
  return socket.address().port;
}

const EMPTY = { options: [], payload: new Uint8Array(0) };

test("503 when the gateway does not take it, and when it does not answer in time", async () => {
  const full = await standIn(({ messageId, token }, reply) =>
    reply({ type: TYPE_ACK, code: CODE_SERVICE_UNAVAILABLE, messageId, token, ...EMPTY }),
  );
  await startBridge(full);
  expect(await ask("/log.php?t=1")).toEqual([503, "Not kept: the gateway answered 5.03. Send it again.\n"]);
  await startBridge(await standIn(() => {}), { answerMs: 100 });
  expect(await ask("/log.php?t=1")).toEqual([503, "Not kept: the gateway has not answered in time. Send it again.\n"]);
});

test("an answer that comes separately is acknowledged, one to nobody is reset; junk is passed over", async () => {
  const heard: CoapMessage[] = [];
  const port = await standIn((request, reply) => {
    if (request.code === CODE_EMPTY) return void heard.push(request);
    const { messageId, token } = request;
    reply({ type: TYPE_ACK, code: CODE_EMPTY, messageId, token: new Uint8Array(0), ...EMPTY });
    reply({ type: TYPE_CON, code: 0x45, messageId: 500, token: Uint8Array.of(1), ...EMPTY });
    reply({ type: TYPE_CON, code: 0x44, messageId: 501, token, ...EMPTY });
  });
  await startBridge(port);
  expect(await ask("/log.php?t=1")).toEqual([200, "OK\n"]);
  await expect
    .poll(() => heard.map(({ type, messageId }) => [type, messageId]))
    .toEqual([
      [3, 500],
      [2, 501],
    ]);
});

test("more requests than may wait get 503 at once, and all end when the bridge does", async () => {
  await startBridge(await standIn(() => {}), { requestsMax: 1 });
  const first = ask("/log.php?t=1");
  await expect
    .poll(async () => (await ask("/log.php?t=2"))[1])
    .toBe("Not kept: too many requests wait. Send it again.\n");
  await Promise.all([bridge.close(), first.then((reply) => expect(reply[1]).toContain("the bridge is ending"))]);
});

test("an address that cannot be bound or reached is told", async () => {
  const listen = { address: "2001:db8::1", port: 0 };
  await expect(startBridge(9, { listen })).rejects.toThrow("listen: 2001:db8::1 port 0 cannot be bound");
  await expect(startBridge(9, { gateway: { address: "fe80::1%nowhere" } })).rejects.toThrow(
    "gateway.address: no way to",
  );
});
