import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "./clock.ts";
import { silentLog } from "./log.ts";
import { metricsProblem, openMetricsListener, type MetricsConfig, type MetricsListener } from "./metrics-listener.ts";
import { selfSigned } from "./testing/self-signed.ts";
import { until } from "./testing/until.ts";

const PAIR = selfSigned();
const TOKEN = "0123456789abcdef0123456789abcdef";
let directory: string;
let clock: VirtualClock;
let unready: string | undefined;
let renderings: number;
let opened: MetricsListener | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-metrics-"));
  await writeFile(join(directory, "cert.pem"), PAIR.cert);
  await writeFile(join(directory, "key.pem"), PAIR.key);
  await writeFile(join(directory, "token"), `${TOKEN}\n`);
  clock = new VirtualClock();
  unready = undefined;
  renderings = 0;
});
afterEach(async () => {
  await opened?.close();
  await rm(directory, { recursive: true, force: true });
});

const plain: MetricsConfig = { listen: { address: "::1", port: 0 }, tls: null, tokenFile: null };
const secured = (): MetricsConfig => ({
  ...plain,
  tls: { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") },
  tokenFile: join(directory, "token"),
});

async function open(config: MetricsConfig, metrics: () => Promise<string> = rendered): Promise<MetricsListener> {
  const told = { contentType: "text/x", metrics, unready: () => unready, clock, log: silentLog };
  opened = await openMetricsListener(config, told);
  return opened!;
}

async function rendered(): Promise<string> {
  renderings++;
  return `rendering ${renderings}`;
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

function ask(path: string, { method = "GET", token = "", tls = false } = {}): Promise<Answer> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const options = { host: "::1", port: opened!.port, path, method, headers, agent: false };
  return new Promise((resolve, reject) => {
    const asked = tls ? overHttps({ ...options, ca: PAIR.cert }) : overHttp(options);
    asked.on("error", reject);
    asked.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode!, type: answer.headers["content-type"], text }));
    });
    asked.end();
  });
}

describe("the listener", () => {
  test("is not there where none is configured", async () => {
    const nothing = { contentType: "", metrics: rendered, unready: () => undefined, clock, log: silentLog };
    expect(await openMetricsListener({ ...plain, listen: null, tokenFile: "/none" }, nothing)).toBeUndefined();
  });

  test("gives metrics and answers probes, and knows nothing else", async () => {
    await open(plain);
    expect(await ask("/metrics")).toEqual({ status: 200, type: "text/x", text: "rendering 1" });
    expect(await ask("/metrics?x=1")).toMatchObject({ status: 200 });
    expect(await ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
    expect(await ask("/readyz")).toMatchObject({ status: 200, text: "ok\n" });
    expect(await ask("/readyz", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    for (const path of ["/", "/v1/fleet", "/v1/log", "//metrics"]) expect((await ask(path)).status).toBe(404);
    for (const method of ["POST", "PUT", "DELETE"]) expect((await ask("/metrics", { method })).status).toBe(405);
  });

  test("says in words why the program cannot do its work, and that it lives", async () => {
    await open(plain);
    unready = "The ledger is full.";
    expect(await ask("/readyz")).toEqual({
      status: 503,
      type: "text/plain; charset=utf-8",
      text: "not ready: The ledger is full.\n",
    });
    expect((await ask("/healthz")).status).toBe(200);
    unready = undefined;
    clock.advance(1000);
    expect((await ask("/readyz")).status).toBe(200);
  });

  test("speaks TLS, and gives metrics to whom shows the token alone", async () => {
    await open(secured());
    const tls = true;
    expect(await ask("/metrics", { tls, token: TOKEN })).toMatchObject({ status: 200, text: "rendering 1" });
    for (const token of ["", TOKEN.slice(1), `${TOKEN}0`, TOKEN.toUpperCase()]) {
      const { status, text } = await ask("/metrics", { tls, token });
      expect({ status, text }).toEqual({ status: 401, text: expect.not.stringContaining(TOKEN) as string });
    }
    for (const path of ["/healthz", "/readyz"]) expect((await ask(path, { tls })).status).toBe(200);
    await expect(ask("/metrics", { token: TOKEN })).rejects.toThrow(/hang up|reset/u);
    expect(renderings).toBe(1);
  });

  test("makes the metrics once for all who ask within a second, and tells a failure without keeping it", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let fails = true;
    await open(plain, async () => {
      renderings++;
      if (renderings === 1) return promise;
      if (fails) throw new Error("no room to think");
      return "later";
    });
    const asked = Array.from({ length: 5 }, () => ask("/metrics"));
    await until(() => renderings === 1);
    resolve("once");
    expect((await Promise.all(asked)).map(({ text }) => text)).toEqual(Array(5).fill("once"));
    clock.advance(999);
    expect((await ask("/metrics")).text).toBe("once");
    clock.advance(1);
    expect(await ask("/metrics")).toMatchObject({ status: 500, text: "no room to think\n" });
    fails = false;
    expect((await ask("/metrics")).text).toBe("later");
    expect(renderings).toBe(3);
  });

  test("ends with connections that say nothing, TLS or not, and holds a bounded number of them", async () => {
    for (const config of [plain, secured()]) {
      const listener = await open(config);
      const silent = Array.from({ length: 40 }, () => connect(listener.port, "::1").on("error", () => {}));
      const gone = silent.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      // Those beyond the bound are shut at once.
      await until(() => silent.filter((socket) => socket.closed).length === 8);
      await listener.close();
      await Promise.all(gone);
    }
  });
});

const withToken = (address: string, tls: MetricsConfig["tls"] = null): MetricsConfig => ({
  listen: { address, port: 9464 },
  tls,
  tokenFile: "/token",
});

describe("a configuration", () => {
  test.each([
    ["token", "", /metrics\.tokenFile: .* has no token/u],
    ["token", "short\n", /metrics\.tokenFile: .* has no token/u],
    ["token", `${TOKEN} ${TOKEN}`, /metrics\.tokenFile: .* has no token/u],
    ["token", `${TOKEN}\n${TOKEN}\n`, /metrics\.tokenFile: .* has no token/u],
    ["cert.pem", "none", /metrics\.tls\.cert: .* has no certificate/u],
    ["key.pem", "none", /metrics\.tls\.key: .* has no private key/u],
  ])("with %s holding %j is refused, and what it holds is not told", async (name, content, says) => {
    await writeFile(join(directory, name), content);
    const refused = open(secured()).catch((error: unknown) => error as Error);
    expect(await refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(says) as string });
    if (content.length > 4) expect(((await refused) as Error).message).not.toContain(content.trim());
  });

  test("with a file that is not there is refused with the command that makes one", async () => {
    const config = { ...secured(), tokenFile: join(directory, "none") };
    await expect(open(config)).rejects.toMatchObject({
      message: expect.stringMatching(/metrics\.tokenFile: .*none cannot be read/u) as string,
      remedy: expect.stringContaining("openssl rand -hex 32") as string,
    });
  });

  test("with a token in the clear is refused, but for this machine alone", () => {
    expect(metricsProblem(withToken("::"))).toContain("metrics.tls");
    expect(metricsProblem(withToken("2001:db8::1"))).toContain("metrics.tls");
    for (const address of ["::1", "127.0.0.1"]) expect(metricsProblem(withToken(address))).toBeUndefined();
    expect(metricsProblem(withToken("::", { cert: "/c", key: "/k" }))).toBeUndefined();
    expect(metricsProblem({ ...withToken("::"), tokenFile: null })).toBeUndefined();
    expect(metricsProblem({ ...withToken("::"), listen: null })).toBeUndefined();
  });

  test("of an address that is taken is told with its key", async () => {
    const first = await open(plain);
    const again = open({ ...plain, listen: { address: "::1", port: first.port } });
    await expect(again).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringMatching(/^metrics\.listen/u) as string,
    });
    await first.close();
  });
});
