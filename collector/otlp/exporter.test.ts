import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";
import { until } from "@paddock/base/testing/until.ts";
import { OtlpExporter } from "./exporter.ts";
import type { Family } from "./metrics-data.ts";
import type { PushOutcome } from "./push-machine.ts";

const INTERVAL_MS = 60_000;
const TOKEN = "fleet-watch-0123456789";

interface Request {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

let directory: string;
let clock: VirtualClock;
let requests: Request[];
let outcomes: PushOutcome[];
let told: string[];
let value: number;
/** The status of the next answers; undefined gives none. */
let status: number | undefined;
let server: Server;
let exporter: OtlpExporter | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-otlp-"));
  clock = new VirtualClock();
  [requests, outcomes, told, value, status] = [[], [], [], 0, 200];
  server = await listening(createServer());
});
afterEach(async () => {
  await exporter?.close();
  exporter = undefined;
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

async function listening(made: Server, port = 0): Promise<Server> {
  made.on("request", (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      requests.push({ headers: request.headers, body: gunzipSync(Buffer.concat(parts)) });
      if (status !== undefined) response.writeHead(status).end();
    });
  });
  made.listen(port, "::1");
  await once(made, "listening");
  return made;
}

const portOf = (listener: Server) => (listener.address() as AddressInfo).port;
const file = (name: string) => join(directory, name);

async function families(): Promise<Family[]> {
  return [{ name: "paddock_test", help: "Of a test.", type: "gauge", values: [{ value, labels: {} }] }];
}

async function start(more: Partial<Parameters<typeof OtlpExporter.start>[0]> = {}): Promise<void> {
  const endpoint = `http://[::1]:${portOf(server)}/v1/metrics`;
  const log = { ...silentLog, warn: (event: string) => told.push(event), info: (event: string) => told.push(event) };
  exporter = await OtlpExporter.start(
    { endpoint, intervalMs: INTERVAL_MS, ca: null, tokenFile: null, ...more },
    {
      families,
      instance: "07",
      clock,
      log,
      random: seededRandom(1),
      onPush: (outcome) => outcomes.push(outcome),
    },
  );
}

/** Lets time pass until a push is due, and waits for its end. */
async function push(ms = INTERVAL_MS): Promise<PushOutcome> {
  const before = outcomes.length;
  clock.advance(ms);
  await until(() => outcomes.length > before);
  expect(outcomes).toHaveLength(before + 1);
  return outcomes.at(-1)!;
}

function doubleOf(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(number);
  return bytes;
}

describe("the exporter", () => {
  test("pushes at its interval what is so at that moment, zipped", async () => {
    await start();
    for (value of [1, 2, 3]) expect(await push()).toMatchObject({ is: "taken" });
    expect(requests[0]!.headers).toMatchObject({
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip",
    });
    expect(requests.map(({ body }) => [1, 2, 3].filter((one) => body.includes(doubleOf(one))))).toEqual([
      [1],
      [2],
      [3],
    ]);
    expect(told).toEqual(["otlp"]);
  });

  test("waits for an answer for ten seconds, has one push under way, and keeps none", async () => {
    await start();
    status = undefined;
    clock.advance(INTERVAL_MS);
    await until(() => requests.length === 1);
    clock.advance(9999);
    value = 42;
    expect(outcomes).toEqual([]);
    expect(await push(1)).toEqual({ is: "failed", message: "no answer within 10 s" });
    status = 200;
    expect(await push()).toMatchObject({ is: "taken" });
    expect(requests).toHaveLength(2);
    expect(told).toEqual(["otlp", "otlp-failed", "otlp-restored"]);
  });

  test("finds a receiver again that was away", async () => {
    await start();
    const port = portOf(server);
    server.close();
    await once(server, "close");
    expect(await push()).toMatchObject({ is: "failed", message: expect.stringContaining("ECONNREFUSED") });
    expect(await push()).toMatchObject({ is: "failed" });
    expect(exporter!.hasProblem).toBe(true);
    server = await listening(createServer(), port);
    expect(await push()).toMatchObject({ is: "taken" });
    expect(exporter!.hasProblem).toBe(false);
    expect(told).toEqual(["otlp", "otlp-failed", "otlp-restored"]);
  });

  test("does not repeat what is refused before its time", async () => {
    await start();
    status = 400;
    expect(await push()).toMatchObject({ is: "refused" });
    clock.advance(INTERVAL_MS / 2);
    expect(requests).toHaveLength(1);
    expect(await push(INTERVAL_MS / 2)).toMatchObject({ is: "refused" });
  });

  test("ends while a push is under way", async () => {
    await start();
    status = undefined;
    clock.advance(INTERVAL_MS);
    await until(() => requests.length === 1);
    await exporter!.close();
    expect(outcomes).toEqual([]);
  });

  test("shows its token to whom the authority vouches for, and to nobody else; both files may change", async () => {
    const [right, wrong] = [selfSigned(), selfSigned()];
    const secure = await listening(createSecureServer(right));
    try {
      await writeFile(file("ca.pem"), wrong.cert);
      await writeFile(file("token"), `${TOKEN}\n`);
      const endpoint = `https://[::1]:${portOf(secure)}/v1/metrics`;
      await start({ endpoint, ca: file("ca.pem"), tokenFile: file("token") });
      expect(await push()).toMatchObject({ is: "failed" });
      expect(requests).toEqual([]);
      await writeFile(file("ca.pem"), right.cert);
      expect(await push()).toMatchObject({ is: "taken" });
      await writeFile(file("token"), `${TOKEN}-new\n`);
      await push();
      expect(requests.map(({ headers }) => headers["authorization"])).toEqual([
        `Bearer ${TOKEN}`,
        `Bearer ${TOKEN}-new`,
      ]);
      await rm(file("token"));
      expect(await push()).toMatchObject({ is: "failed", message: expect.stringContaining("otlp.tokenFile") });
    } finally {
      secure.closeAllConnections();
      secure.close();
    }
  });

  test("does not start with a file that cannot be used", async () => {
    await expect(start({ tokenFile: file("none") })).rejects.toThrow(/otlp\.tokenFile/u);
    await expect(start({ ca: file("none") })).rejects.toThrow(/otlp\.ca/u);
  });
});
