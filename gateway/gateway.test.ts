import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { openGateway, type Gateway } from "./compose.ts";
import { parseGatewayConfig, type GatewayConfig } from "./config.ts";
import { socketPath } from "./config/socket-path.ts";
import { askGateway } from "./status/status-client.ts";
import { judge } from "./status/verdict.ts";
import { CoapSender, senmlFrame } from "./testing/coap-sender.ts";

let directory: string;
let config: GatewayConfig;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-gateway-"));
  config = parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    metrics: { listen: { address: "::1", port: 0 } },
    // Groups are another file's; without them no `ip` watches this machine's addresses for each of these gateways.
    discovery: { enabled: false, multicast: false },
  });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function withGateway<Result>(use: (gateway: Gateway, sender: CoapSender) => Promise<Result>): Promise<Result> {
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  try {
    return await use(gateway, sender);
  } finally {
    sender.close();
    await gateway.stop();
  }
}

async function sendersOf(running: GatewayConfig): Promise<string[]> {
  const { senders } = await askGateway<"sensors">(socketPath(running), { get: "sensors" });
  return senders.map(({ sender }) => sender);
}

async function onListener(store: object, use: (url: string) => Promise<void>): Promise<void> {
  const log = { ...silentLog, info: vi.fn<(event: string, fields?: object) => void>() };
  const gateway = await openGateway({ ...config, store: { ...config.store, ...store } }, { clock: systemClock, log });
  try {
    const { port } = log.info.mock.calls.find(([event]) => event === "metrics")![1] as { port: number };
    await use(`http://[::1]:${port}`);
  } finally {
    await gateway.stop();
  }
}

describe("a gateway without collector", () => {
  test("answers 2.04 when a frame is durable, shows it, and its chain verifies over a restart", async () => {
    await withGateway(async (_gateway, sender) => {
      for (const [index, path] of [["i", "alarm"], ["i"], ["i", "bulk"], ["i"]].entries()) {
        expect(await sender.post(path, senmlFrame("thermo", index))).toBe(CODE_CHANGED);
      }
      const socket = socketPath(config);
      const status = await askGateway<"status">(socket, { get: "status" });
      expect(status.lanes.map(({ committedFrames, pendingRecords }) => [committedFrames, pendingRecords])).toEqual([
        [1, 1],
        [2, 2],
        [1, 1],
      ]);
      expect(judge(status).sentence).toMatch(/^Buffering only, as no collector is configured: 4 frames/);
      const { chains } = await askGateway<"buffer">(socket, { get: "buffer" });
      expect(chains.map(({ lane, oldestPending }) => [lane, oldestPending?.seq])).toEqual([
        ["alarm", 0],
        ["telemetry", 0],
        ["bulk", 0],
      ]);
      const { senders } = await askGateway<"sensors">(socket, { get: "sensors" });
      expect(senders).toMatchObject([{ known: false, frames: 4 }]);
      expect(await askGateway<"metrics">(socket, { get: "metrics" })).toContain(
        '\npaddock_gateway_committed_frames_total{lane="telemetry"} 2\n',
      );
    });
    await withGateway(async (_gateway, sender) => {
      expect(await sender.post(["i"], senmlFrame("thermo", 9))).toBe(CODE_CHANGED);
      const reports = await askGateway<"chain">(socketPath(config), { get: "chain", lane: "telemetry" });
      expect(reports).toMatchObject([{ lane: "telemetry", epoch: 0, records: 3, broken: 0 }]);
    });
  });

  test("a second gateway on the same data directory is refused", async () => {
    await withGateway(async () => {
      const second = openGateway(config, { clock: systemClock, log: silentLog });
      await expect(second).rejects.toMatchObject({ code: "STORE_LOCKED" });
    });
  });

  test("a lost key is noticed: no second identity for a store that has chains", async () => {
    await withGateway(async (_gateway, sender) => {
      expect(await sender.post(["i"], senmlFrame("thermo", 1))).toBe(CODE_CHANGED);
    });
    await rm(join(directory, "identity.pem"));
    const second = openGateway(config, { clock: systemClock, log: silentLog });
    await expect(second).rejects.toMatchObject({ code: "IDENTITY_MISMATCH" });
  });

  test("reads the sensors file again when told; a bad one changes nothing", async () => {
    const file = join(directory, "sensors.json");
    const write = (sensors: object) => writeFile(file, JSON.stringify({ sensors }));
    await write({ thermo: { addresses: ["2001:db8::1"] } });
    config = { ...config, sensors: { ...config.sensors, file } };
    await withGateway(async (gateway) => {
      expect(await sendersOf(config)).toEqual(["thermo"]);
      await write({ thermo: { addresses: ["2001:db8::1"] }, gauge: { addresses: ["2001:db8::2"] } });
      await gateway.reloadSensors();
      expect(await sendersOf(config)).toEqual(["thermo", "gauge"]);
      await write({ gauge: { addresses: ["nonsense"] } });
      await gateway.reloadSensors();
      expect(await sendersOf(config)).toEqual(["thermo", "gauge"]);
    });
  });

  test("serves OpenMetrics and answers probes over HTTP where that is configured", () =>
    onListener({}, async (url) => {
      const response = await fetch(`${url}/metrics`);
      expect(response.headers.get("content-type")).toContain("application/openmetrics-text");
      expect(await response.text()).toMatch(/# EOF\n$/);
      expect((await fetch(`${url}/`)).status).toBe(404);
      for (const path of ["/healthz", "/readyz"]) expect(await (await fetch(url + path)).text()).toBe("ok\n");
    }));

  test("is alive and not ready while the disk has no room for frames", () =>
    onListener({ minFreeBytes: Number.MAX_SAFE_INTEGER }, async (url) => {
      const response = await fetch(`${url}/readyz`);
      expect(response.status).toBe(503);
      expect(await response.text()).toMatch(/^not ready: The disk is full: .*store\.minFreeBytes keeps/);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    }));
});
