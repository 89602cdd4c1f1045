import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { systemClock, VirtualClock } from "@paddock/base/clock.ts";
import { silentLog } from "@paddock/base/log.ts";
import { until } from "@paddock/base/testing/until.ts";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { AddressFeed } from "@paddock/uplink/paths/address-feed.ts";
import type { StartIp } from "@paddock/uplink/paths/ip-process.ts";
import { formatUplinks } from "../cli/uplinks-format.ts";
import { openGateway } from "../compose.ts";
import { parseGatewayConfig } from "../config.ts";
import { socketPath } from "../config/socket-path.ts";
import { uplinkPaths } from "./configured-paths.ts";
import { PathSources } from "./path-sources.ts";
import { PathWatch } from "./path-watch.ts";
import { askGateway } from "../status/status-client.ts";
import { RecordingSink } from "../testing/recording-sink.ts";

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function configOf(...paths: object[]) {
  const directory = await mkdtemp(join(tmpdir(), "paddock-sources-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
    collector: { publicKey: "ab".repeat(32) },
    paths: paths.map((path) => Object.assign({ endpoint: "https://[::1]:9" }, path)),
  });
}

/** An `ip` whose list is told by `set`. */
function fakeIp(...first: string[]) {
  let addresses = first;
  const monitors: ((text: string) => void)[] = [];
  const startIp: StartIp = (args) => {
    const listing = !args.includes("monitor");
    let output: ((text: string) => void) | undefined;
    return {
      onOutput(listener) {
        output = listener;
        if (!listing) monitors.push(listener);
      },
      onExit(listener) {
        if (!listing) return;
        queueMicrotask(() => {
          const infos = addresses.map((local) => ({
            family: "inet6",
            local,
            scope: local === "::1" ? "host" : "global",
          }));
          output?.(JSON.stringify([{ ifname: "wan0", addr_info: infos }]));
          listener(undefined);
        });
      },
      kill() {},
    };
  };
  const set = (...next: string[]) => {
    addresses = next;
    for (const tell of monitors) tell("changed");
  };
  return { startIp, set };
}

test("a renumbered path moves at once, and one without its address is down and opens nothing", async () => {
  const config = await configOf({ name: "fibre", interface: "wan0", source: "2001:db8:a::/48" }, { name: "plain" });
  const clock = new VirtualClock();
  const { startIp, set } = fakeIp("2001:db8:a::5", "2001:db8:b::5");
  const sources = (await PathSources.start({
    config,
    addresses: new AddressFeed({ clock, startIp }),
    log: silentLog,
  }))!;
  const told: string[] = [];
  const sink = {
    setLiveness: (path: string, liveness: string, { why }: { why?: string } = {}) =>
      void told.push(`${path} ${liveness}: ${why}`),
    updatePath: ({ name, source }: { name: string; source?: string }) => void told.push(`${name} from ${source}`),
  };
  const watch = { setSource: (path: string, address?: string) => void told.push(`watch ${path} from ${address}`) };
  const [fibre, plain] = uplinkPaths(config).map((path) => sources.resolved(path));
  expect([fibre!.source, plain!.source]).toEqual(["2001:db8:a::5", undefined]);
  sources.follow(sink, watch);
  expect(told).toEqual([]);

  const settle = async () => {
    clock.advance(20);
    await new Promise(setImmediate);
    return told.splice(0);
  };
  set("2001:db8:a:1::7");
  expect(await settle()).toEqual([
    "fibre unknown: source is now 2001:db8:a:1::7",
    "fibre from 2001:db8:a:1::7",
    "watch fibre from 2001:db8:a:1::7",
  ]);
  set("2001:db8:b::5");
  expect(await settle()).toEqual([
    "fibre down: no address on wan0 in 2001:db8:a::/48",
    "fibre from undefined",
    "watch fibre from undefined",
  ]);
  const open = vi.fn<() => Promise<never>>(() => Promise.reject(new Error("opened")));
  const guarded = sources.guard(open);
  const { signal } = new AbortController();
  expect(await guarded(fibre!, signal)).toMatchObject({ ok: false, detail: expect.stringMatching(/^no address on/) });
  await expect(guarded(plain!, signal)).rejects.toThrow("opened");
  set("2001:db8:a::5");
  expect((await settle()).at(1)).toBe("fibre from 2001:db8:a::5");
  sources.stop();
});

test("nothing is started for paths that name an address or nothing", async () => {
  const config = await configOf({ name: "fibre", source: "2001:db8:a::5" }, { name: "plain" });
  const startIp = vi.fn<StartIp>();
  expect(await PathSources.start({ config, addresses: new AddressFeed({ startIp }), log: silentLog })).toBeUndefined();
  expect(startIp).not.toHaveBeenCalled();
  expect(uplinkPaths(config)[0]!.source).toBe("2001:db8:a::5");
});

test("the watcher follows: unwatched without an address, up again with one", async () => {
  const reflector = new BfdReflector({ seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [900] } });
  const [port] = await reflector.start();
  cleanUps.push(() => reflector.close(0));
  const bfd = { endToEnd: { mode: "seamless", remotePort: port, discriminator: 900, intervalMs: 100, detectMult: 50 } };
  const config = await configOf({ name: "fibre", interface: "wan0", source: "::1/128", bfd });
  const { startIp, set } = fakeIp("::1");
  const sources = (await PathSources.start({ config, addresses: new AddressFeed({ startIp }), log: silentLog }))!;
  cleanUps.push(() => sources.stop());
  const sink = new RecordingSink();
  const { told } = sink;
  const watch = (await PathWatch.start({ config, sink, sources, clock: systemClock, log: silentLog }))!;
  cleanUps.push(() => watch.stop());
  for (const path of uplinkPaths(config)) sources.resolved(path);
  sources.follow(sink, watch);
  await until(() => expect(told).toEqual(["fibre up"]));
  set();
  await until(() => expect(told).toEqual(["fibre up", "fibre down"]));
  expect(watch.status("fibre")!.why).toBe("no address to watch from");
  set("::1");
  await until(() => expect(told).toEqual(["fibre up", "fibre down", "fibre unknown", "fibre up"]));
});

test("the gateway says in its status which address a path has, and why it has none", async () => {
  const config = await configOf(
    { name: "fibre", interface: "lo", source: "::1/128" },
    { name: "lte", interface: "wwan7", source: "2001:db8:b::/48" },
  );
  const gateway = await openGateway(config, { clock: systemClock, log: silentLog });
  try {
    const status = await askGateway<"status">(socketPath(config), { get: "status" });
    const [fibre, lte] = status.uplinks.paths;
    expect([fibre!.source, fibre!.liveness, lte!.source, lte!.liveness]).toEqual(["::1", "unknown", null, "down"]);
    expect(lte!.why).toBe("down, no address on wwan7 in 2001:db8:b::/48");
    expect(formatUplinks(status)).toContain("no address on wwan7 in 2001:db8:b::/48");
  } finally {
    await gateway.stop();
  }
});

test.each([
  [{ source: "2001:db8::/129" }, /IPv6 prefix/],
  [{ source: "192.0.2.0/24" }, /IPv6 prefix/],
  [{ source: "192.0.2.1", interface: "wan0" }, /IPv6 source/],
  [{ interface: "" }, /name of an interface/],
])("the configuration refuses %o", async (path, message) => {
  await expect(configOf({ name: "fibre", ...path })).rejects.toThrow(message);
});
