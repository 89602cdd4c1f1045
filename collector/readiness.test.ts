import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { selfSigned } from "@paddock/base/testing/self-signed.ts";
import { until } from "@paddock/base/testing/until.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { ask } from "./operator/operator-client.ts";
import { unreadiness } from "./readiness.ts";
import { CLAIM, TestCollector } from "./testing/test-collector.ts";

describe("what keeps a collector from its work", () => {
  test.each([
    ["starting", undefined, /starts/u],
    ["stopping", undefined, /stops/u],
    ["failed", undefined, /could not be written/u],
    ["serving", { cause: "quota", wantedBytes: 1, heldBytes: 90, maxBytes: 100 }, /full: it holds 90 of 100 bytes/u],
    ["serving", { cause: "disk", wantedBytes: 1, freeBytes: 7, minFreeBytes: 9 }, /7 bytes are free.*keeps 9/u],
  ] as const)("%s, short of %j", (stage, shortage, says) => {
    expect(unreadiness(stage, shortage)).toMatch(says);
  });

  test("is nothing while it serves and has room", () => {
    expect(unreadiness("serving", undefined)).toBeUndefined();
  });
});

describe("probes of a running collector", () => {
  const pair = selfSigned();
  const token = "fleet-watch-0123456789";
  let directory: string;
  let collector: TestCollector;
  let port: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "paddock-probes-"));
    const files = {
      cert: join(directory, "cert.pem"),
      key: join(directory, "key.pem"),
      token: join(directory, "token"),
    };
    await writeFile(files.cert, pair.cert);
    await writeFile(files.key, pair.key);
    await writeFile(files.token, `${token}\n`);
    const info = vi.fn<(event: string, fields?: object) => void>();
    const metrics = {
      listen: { address: "::1", port: 0 },
      tls: { cert: files.cert, key: files.key },
      tokenFile: files.token,
    };
    // The least that a ledger can be given: a few uploads fill it.
    const store = { maxBytes: 16_777_216, minFreeBytes: 0, ballastBytes: 0 };
    const operator = { listen: { address: "::1", port: 0 } };
    collector = await TestCollector.start({ metrics, store, operator }, { log: { ...silentLog, info } });
    port = (info.mock.calls.find(([event]) => event === "metrics")![1] as { port: number }).port;
  });
  afterEach(async () => {
    await collector.end();
    await rm(directory, { recursive: true, force: true });
  });

  function scrape(path: string, shown = token): Promise<{ readonly status: number; readonly text: string }> {
    const headers = { authorization: `Bearer ${shown}` };
    return new Promise((resolve, reject) => {
      const asked = request({ host: "::1", port, path, headers, ca: pair.cert, agent: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        answer.on("end", () => resolve({ status: answer.statusCode!, text }));
      });
      asked.on("error", reject).end();
    });
  }

  test("its metrics are there for whom shows the token, and nothing of the operator's API", async () => {
    const { status, text } = await scrape("/metrics");
    expect(status).toBe(200);
    expect(text).toContain('paddock_collector_gateways{state="approved"} 0');
    expect(text.endsWith("# EOF\n")).toBe(true);
    expect((await scrape("/metrics", "another-token-012345")).status).toBe(401);
    for (const path of ["/v1/fleet", "/v1/log", "/v1/consumers", "/v1/gateways"]) {
      expect((await scrape(path)).status).toBe(404);
    }
  });

  test("it is ready until its ledger is full, and lives on", async () => {
    expect(await scrape("/readyz", "nothing")).toEqual({ status: 200, text: "ok\n" });
    expect((await ask(collector.socket, { path: "/readyz" })).toString("utf8")).toBe("ok\n");
    const sealer = new Sealer({ identity: testIdentity(1) });
    await collector.enrol(sealer.identity, { claim: CLAIM });
    const client = collector.client();
    let status = 200;
    for (let count = 0; status === 200 && count < 200; count++) {
      ({ status } = await client.upload(sealer.chain, sealer.sealMany(4, 60_000)));
    }
    expect(status).toBe(507);
    const says = /not ready: The ledger is full: it holds \d+ of 16777216 bytes/u;
    await until(async () => expect((await scrape("/readyz")).text).toMatch(says));
    expect((await scrape("/readyz")).status).toBe(503);
    await expect(ask(collector.socket, { path: "/readyz" })).rejects.toThrow(/503/u);
    expect((await scrape("/healthz")).status).toBe(200);
  });

  test("probes on the operator's loopback listener show no token", async () => {
    const { address } = collector.collector.operator;
    for (const path of ["/healthz", "/readyz"]) {
      expect((await fetch(`http://[::1]:${address!.port}${path}`)).status).toBe(200);
    }
    expect((await fetch(`http://[::1]:${address!.port}/metrics`)).status).toBe(401);
  });
});
