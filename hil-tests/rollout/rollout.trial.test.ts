import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLAIM, TestCollector } from "@paddock/collector/testing/test-collector.ts";
import type { GatewayReport } from "@paddock/collector/fleet/fleet-report.ts";
import { askJson } from "@paddock/collector/operator/operator-client.ts";
import type { RolloutReport } from "@paddock/collector/rollout/report.ts";
import { afterEach, beforeEach, expect, test } from "vitest";

const CLAIMS = [CLAIM, "second-claim"];
const GATEWAY = join(import.meta.dirname, "../../gateway/main.ts");

let directory: string;
let collector: TestCollector;
const children: ChildProcess[] = [];
const ids: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-rollout-"));
  collector = await TestCollector.start({ claims: CLAIMS.map((code) => ({ code, label: code })) });
  ids.length = 0;
  for (const [index, claim] of CLAIMS.entries()) ids.push(await startGateway(`${index}`, claim));
  // Both have come by themselves.
  await expect.poll(async () => (await fleet()).filter(({ state }) => state === "approved").length).toBe(2);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  await collector.end();
  await rm(directory, { recursive: true, force: true });
});

/** The real program, which asks for directives each second and tries a change for two; resolves with its id. */
async function startGateway(name: string, claim: string): Promise<string> {
  const config = {
    dataDir: join(directory, name),
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
    forward: { drainMs: 100 },
    collector: { publicKey: Buffer.from(collector.identity.publicKeyRaw).toString("hex"), claim },
    paths: [{ name: "fibre", endpoint: `https://[::1]:${collector.port}` }],
    directives: { everyS: 1, trialS: 60 },
  };
  const file = join(directory, `${name}.json`);
  await mkdir(config.dataDir, { mode: 0o700 });
  await writeFile(file, JSON.stringify(config));
  const child = spawn(process.execPath, [GATEWAY, "run", "--config", file], { stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  let log = "";
  child.stderr.on("data", (chunk) => (log += String(chunk)));
  await expect.poll(() => log).toContain('"event":"ready"');
  return /"event":"ready","id":"([0-9a-f]{64})"/u.exec(log)![1]!;
}

async function fleet(): Promise<readonly GatewayReport[]> {
  return (await askJson<{ gateways: GatewayReport[] }>(collector.socket, { path: "/v1/fleet" })).gateways;
}

const status = () => askJson<RolloutReport>(collector.socket, { path: "/v1/rollout" });

function start(document: unknown, more: Record<string, unknown> = {}): Promise<RolloutReport> {
  const body = { document: JSON.stringify(document), rings: "1", gateways: ids, ...more };
  return askJson<RolloutReport>(collector.socket, { method: "POST", path: "/v1/rollout", body });
}

test("a change that does not work in ring 1 goes no further; one that works comes to all, over a restart", async () => {
  await expect(start({ dataDir: "/elsewhere" })).rejects.toThrow("dataDir: no rollout may change this.");

  // The gateway that gets it cannot even listen with it: it goes back by itself, and says so.
  const taken = createSocket("udp6").bind(0, "::1");
  await once(taken, "listening");
  await start({ listen: [{ address: "::1", port: taken.address().port }] });
  await expect.poll(async () => (await status()).phase).toBe("stopped");
  taken.close();
  expect(await status()).toMatchObject({ ring: 0, applied: 0, failed: 1, waiting: 1 });
  const [first, second] = (await status()).gateways;
  expect(first).toMatchObject({
    id: ids[0],
    outcome: "reverted",
    reason: expect.stringContaining("does not start") as string,
  });
  expect(second).toMatchObject({ id: ids[1], offered: false, outcome: null });
  const shown = (await fleet()).find(({ id }) => id === ids[0])!;
  expect(shown).toMatchObject({ severity: "attention", directive: { outcome: "reverted" } });
  expect(shown.verdict).toMatch(/^All here; config \d+ was reverted: it does not start/u);
  expect((await fleet()).find(({ id }) => id === ids[1])!.directive).toBeNull();

  const begun = await start({ log: { level: "warn" } });
  expect(begun).toMatchObject({ phase: "running", rings: [1, 2], changes: ["log"] });
  await expect(start({})).rejects.toThrow("A rollout is under way");
  await expect.poll(async () => (await status()).phase).toBe("done");
  expect(await status()).toMatchObject({ applied: 2, failed: 0, waiting: 0 });
  expect((await fleet()).map(({ severity }) => severity)).toEqual(["ok", "ok"]);

  await collector.restart();
  expect(await status()).toMatchObject({ phase: "done", applied: 2 });
});
