import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { FakeCollector } from "@paddock/uplink/forward/testing/fake-collector.ts";
import { TcpRelay } from "@paddock/uplink/forward/testing/tcp-relay.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { formatUplinks } from "../cli/uplinks-format.ts";
import { openGateway } from "../compose.ts";
import type { GatewayConfig } from "../config.ts";
import { socketPath } from "../config/socket-path.ts";
import { askGateway } from "../status/status-client.ts";
import { CoapSender, senmlFrame } from "../testing/coap-sender.ts";
import { RecordingSink } from "../testing/recording-sink.ts";
import { PathWatch } from "./path-watch.ts";
import { watchedPaths, type WatchedPaths } from "./testing/watched-paths.ts";

/** A gateway with a real speaker of BFD beside it. What a goodbye says is in path-watch.test.ts. */

let cleanUps: WatchedPaths["cleanUps"];
let cutFibre: WatchedPaths["cutFibre"];
let config: GatewayConfig;
beforeEach(async () => {
  ({ config, cutFibre, cleanUps } = await watchedPaths());
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

test("a cut moves the traffic, with its detection time, and frames are taken throughout", async () => {
  const collector = new FakeCollector();
  await collector.listen();
  cleanUps.push(() => collector.stop());
  const publicKey = Buffer.from(collector.identity.publicKeyRaw).toString("hex");
  config = { ...config, collector: { ...config.collector!, publicKey } };
  config.paths = config.paths.map((path) => ({ ...path, endpoint: collector.endpoint }));
  const log = { ...silentLog, warn: vi.fn<(event: string, fields?: object) => void>() };
  const gateway = await openGateway(config, { clock: systemClock, log });
  const sender = await CoapSender.open(gateway.addresses[0]!.port);
  try {
    const ask = () => askGateway<"status">(socketPath(config), { get: "status" });
    const liveness = async () => (await ask()).uplinks.paths.map((path) => path.liveness);
    await until(async () => expect(await liveness()).toEqual(["up", "up", "unknown"]));
    await until(async () => expect((await ask()).uplinks.active).toBe("fibre"));
    await cutFibre();
    await until(async () => expect(await liveness()).toEqual(["down", "up", "unknown"]));
    const { uplinks } = await ask();
    expect(uplinks).toMatchObject({ speaker: "connected", paths: [{ watch: { downs: 1 } }, {}, {}] });
    expect(uplinks.switches[0]).toMatchObject({ from: "fibre", to: "lte" });
    const { why, detectedInMs } = uplinks.switches[0]!;
    // A machine that stands still for a moment counts what is lost before the detection time is over.
    expect(why).toMatch(/^fibre: (down, BFD detection-expired|alive but losing)/);
    const bfdDetectedInMs = uplinks.paths[0]!.watch!.detectedInMs;
    expect(bfdDetectedInMs).toBeGreaterThan(1400);
    expect(detectedInMs).toBe(why.startsWith("fibre: down") ? bfdDetectedInMs : null);
    expect(uplinks.paths[2]!.watch).toBeNull();
    const newest = uplinks.paths[0]!.transitions.slice(0, 2);
    expect(newest.map(({ what }) => what).toSorted()).toEqual(["down", "left"]);
    expect(newest.find(({ what }) => what === "left")).toMatchObject({ detectedInMs });
    expect(uplinks.paths[1]!.transitions[0]).toMatchObject({ what: "carries traffic" });
    const text = formatUplinks(await ask());
    expect(text).toMatch(/watcher +down; BFD detection-expired.*down 1 time, last detected in /);
    expect(text).toMatch(
      /end to end +down, BFD seamless, ::1 to ::1\n +local down \(control-detection-expired\); last packet/,
    );
    expect(text).toMatch(/last packet .* ago; socket: ECONNREFUSED \d/);
    expect(text).toMatch(
      /sends every 100 ms, expects every 100 ms, down after 1500 ms; round trip .*; [0-9.]+ MB a day/,
    );
    expect(log.warn).toHaveBeenCalledWith(
      "path-liveness",
      expect.objectContaining({ path: "fibre", liveness: "down" }),
    );
    expect(await askGateway<"metrics">(socketPath(config), { get: "metrics" })).toContain(
      '\npaddock_gateway_path_liveness{path="fibre"} 0\n',
    );
    expect(await sender.post(["i"], senmlFrame("thermo", 1))).toBe(CODE_CHANGED);
  } finally {
    sender.close();
    await gateway.stop();
  }
});

test("an endpoint that does not answer gives way to the next, and one that BFD finds dead does so at once", async () => {
  const collector = new FakeCollector();
  await collector.listen();
  cleanUps.push(() => collector.stop());
  const relays = [new TcpRelay(() => collector.port), new TcpRelay(() => collector.port)] as const;
  for (const relay of relays) {
    await relay.listen();
    cleanUps.push(() => relay.close());
  }
  const [second, third] = relays.map(({ endpoint }) => endpoint);
  config = {
    ...config,
    collector: { ...config.collector!, publicKey: Buffer.from(collector.identity.publicKeyRaw).toString("hex") },
    paths: [{ ...config.paths[0]!, fallbackEndpoints: [second!, third!] }],
  };
  const said: string[] = [];
  const log = { ...silentLog, info: (event: string) => said.push(event), warn: (event: string) => said.push(event) };
  const gateway = await openGateway(config, { clock: systemClock, log });
  try {
    const path = async () => (await askGateway<"status">(socketPath(config), { get: "status" })).uplinks.paths[0]!;
    await until(async () =>
      expect(await path()).toMatchObject({ endpoint: second, session: "open", liveness: "up", role: "active" }),
    );
    relays[0].silence();
    said.length = 0;
    await cutFibre();
    await until(async () => expect(await path()).toMatchObject({ endpoint: third, session: "open", liveness: "down" }));
    // What gave it up is BFD: no session was found silent, and no attempt to open one failed.
    expect(said).toContain("path-endpoint");
    expect(said).not.toContain("session-lost");
    expect(said).not.toContain("session-failed");
  } finally {
    await gateway.stop();
  }
});

test("a killed speaker leaves every path unknown and comes back by itself", async () => {
  const sink = new RecordingSink();
  const { told } = sink;
  const watch = (await PathWatch.start({ config, sink, clock: systemClock, log: silentLog }))!;
  try {
    await until(() => expect(told.toSorted()).toEqual(["fibre up", "lte up"]));
    const pid = watch.speakerPid!;
    process.kill(pid, "SIGKILL");
    await until(() => expect(told.slice(2, 4).toSorted()).toEqual(["fibre unknown", "lte unknown"]));
    await until(() => expect(told.slice(4).toSorted()).toEqual(["fibre up", "lte up"]));
    expect(watch.speakerPid).not.toBe(pid);
  } finally {
    await watch.stop();
  }
});
