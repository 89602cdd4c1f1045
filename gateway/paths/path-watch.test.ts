import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { FakeCollector } from "@paddock/uplink/forward/testing/fake-collector.ts";
import { TcpRelay } from "@paddock/uplink/forward/testing/tcp-relay.ts";
import { CODE_CHANGED } from "@paddock/wire/coap-codes.ts";
import { openGateway } from "../compose.ts";
import { parseGatewayConfig, type GatewayConfig } from "../config.ts";
import { socketPath } from "../config/socket-path.ts";
import { formatUplinks } from "../cli/uplinks-format.ts";
import { PathWatch } from "./path-watch.ts";
import { askGateway } from "../status/status-client.ts";
import { RecordingSink } from "../testing/recording-sink.ts";
import { CoapSender, senmlFrame } from "../testing/coap-sender.ts";

const DISCRIMINATOR = 900;

const cleanUps: (() => unknown)[] = [];
let config: GatewayConfig;
let fibre: BfdReflector;

async function reflector(): Promise<{ reflector: BfdReflector; port: number; close: () => Promise<void> }> {
  const made = new BfdReflector({
    seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [DISCRIMINATOR] },
  });
  const [port] = await made.start();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= made.close(0));
  cleanUps.push(close);
  return { reflector: made, port: port!, close };
}

let cutFibre: () => Promise<void>;

/** Detection takes 1.5 s: a busy machine may stand still for longer than the usual three packets. */
const DETECT_MULT = 15;

const watched = (name: string, remotePort: number, preference: number) => ({
  name,
  endpoint: "https://[::1]:9",
  preference,
  bfd: {
    endToEnd: { mode: "seamless", remotePort, discriminator: DISCRIMINATOR, intervalMs: 100, detectMult: DETECT_MULT },
  },
});

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "paddock-watch-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  const first = await reflector();
  const second = await reflector();
  fibre = first.reflector;
  cutFibre = first.close;
  config = parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false, multicast: false },
    collector: { publicKey: "ab".repeat(32) },
    paths: [
      watched("fibre", first.port, 100),
      watched("lte", second.port, 50),
      { name: "plain", endpoint: "https://[::1]:9", preference: 10 },
    ],
  });
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
    expect(uplinks.switches[0]!.why).toMatch(/^fibre: down, BFD detection-expired/);
    expect(uplinks.switches[0]!.detectedInMs).toBeGreaterThan(1400);
    expect(uplinks.paths[0]!.watch!.detectedInMs).toBeGreaterThan(1400);
    expect(uplinks.paths[2]!.watch).toBeNull();
    expect(uplinks.paths[0]!.transitions.map(({ what }) => what).slice(0, 2)).toEqual(["left", "down"]);
    expect(uplinks.paths[0]!.transitions[0]).toMatchObject({ detectedInMs: uplinks.switches[0]!.detectedInMs });
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

test("a collector that says goodbye is unknown, not down", async () => {
  const sink = new RecordingSink();
  const { told } = sink;
  const watch = (await PathWatch.start({ config, sink, clock: systemClock, log: silentLog }))!;
  try {
    await until(() => expect(told.toSorted()).toEqual(["fibre up", "lte up"]));
    fibre.setDisabled(true);
    await until(() => expect(told.slice(2)).toEqual(["fibre unknown"]));
  } finally {
    await watch.stop();
  }
});

test.each([
  [{ endToEnd: { mode: "seamless" } }, /paths\[0\]\.bfd\.endToEnd.*remoteDiscriminator/s],
  [{ endToEnd: { mode: "multihop", remote: "nowhere" } }, /write an IPv6/],
  [{ endToEnd: { mode: "echo" } }, /bfd\.endToEnd\.mode/],
  [{ firstHop: { mode: "echo" } }, /paths\[0\]\.bfd\.firstHop.*an echo is addressed to it/s],
  [{ firstHop: { mode: "echo", local: "fd00::1", remote: "fd00::2" } }, /expected neither remote nor remotePort/],
  [{ firstHop: { mode: "single-hop" } }, /expected remote, or a nextHop of the path/],
])("the configuration refuses %o", (bfd, message) => {
  const paths = [{ name: "fibre", endpoint: "https://[::1]:9", bfd }];
  expect(() => parseGatewayConfig({ dataDir: "/x", collector: { publicKey: "ab".repeat(32) }, paths })).toThrow(
    message,
  );
});

test("an endpoint with a name needs the address to watch", () => {
  const bfd = { endToEnd: { mode: "seamless", discriminator: DISCRIMINATOR } };
  const paths = [{ name: "fibre", endpoint: "https://collector.example:8443", bfd }];
  expect(() => parseGatewayConfig({ dataDir: "/x", collector: { publicKey: "ab".repeat(32) }, paths })).toThrow(
    /expected remote/,
  );
});
