/*
 * A real gateway that watches an uplink by its router and from end to end, and tells whether packets leave where they
 * are meant to. The router is FRR on link-local addresses, as a provider would have it:
 *
 *     gateway u0 fd00:a0::2 ---- g0 router c ---- c0 collector fd00:c0::1
 *             u1 fd00:a1::2 ---- g1
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, before, beforeEach, test } from "node:test";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import type { PathStatus } from "@paddock/gateway/status/status.ts";
import { Program } from "../failover/program.ts";
import { eventually, Lab, missingForLab, type Namespace } from "../namespaces.ts";
import { Frr } from "../peers/frr.ts";

const COLLECTOR = "fd00:c0::1";
const DISCRIMINATOR = 900;
const FRR_TIMERS = "transmit-interval 100\nreceive-interval 100\ndetect-multiplier 3\n";

let lab: Lab;
let router: Namespace;
let gateway: Namespace;
let frr: Frr;

before(() => assert.deepEqual(missingForLab(["ip", "nft", "bfdd"]), []));

beforeEach(async () => {
  lab = new Lab();
  const collector = lab.namespace("co");
  router = lab.namespace("rt");
  gateway = lab.namespace("gw");
  lab.wire(gateway, "u0", router, "g0");
  lab.wire(gateway, "u1", router, "g1");
  lab.wire(router, "c", collector, "c0");
  router.sysctl("net.ipv6.conf.all.forwarding", 1);
  gateway.address("u0", "fd00:a0::2/64");
  gateway.address("u1", "fd00:a1::2/64");
  router.address("g0", "fd00:a0::1/64");
  router.address("g1", "fd00:a1::1/64");
  router.address("c", "fd00:b0::1/64");
  collector.address("c0", "fd00:b0::2/64");
  collector.address("lo", `${COLLECTOR}/128`);
  router.run("ip", "-6", "route", "add", `${COLLECTOR}/128`, "via", "fd00:b0::2");
  collector.run("ip", "-6", "route", "add", "default", "via", "fd00:b0::1");
  frr = new Frr(router, join(lab.directory, "frr"), { fifo: true });
  const session = ` peer ${gateway.linkLocalOf("u0")} local-address ${router.linkLocalOf("g0")} interface g0\n${FRR_TIMERS}`;
  frr.start(session, { zebra: true });
  const reflector = { reflect: { listen: [{ address: COLLECTOR }], discriminators: [DISCRIMINATOR] } };
  await Program.start(collector, "bfd", ["--standalone", "--config", write("reflector.json", reflector)], log("bfd"));
});

afterEach(() => lab.destroy());

async function startGateway(): Promise<void> {
  const endToEnd = { mode: "seamless", discriminator: DISCRIMINATOR, intervalMs: 100 };
  const config = {
    dataDir: join(lab.directory, "gateway"),
    listen: [{ address: "::1", port: 5683 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false },
    status: { socket: statusSocket() },
    collector: { publicKey: "ab".repeat(32) },
    paths: [
      {
        name: "fibre",
        interface: "u0",
        nextHop: router.linkLocalOf("g0"),
        endpoint: `https://[${COLLECTOR}]:8443`,
        bfd: { endToEnd, firstHop: { mode: "single-hop", intervalMs: 100 } },
      },
      { name: "lte", interface: "u1", nextHop: router.linkLocalOf("g1"), endpoint: `https://[${COLLECTOR}]:8443` },
    ],
  };
  await Program.start(gateway, "gateway", ["run", "--config", write("gateway.json", config)], log("gateway"));
}

void test("the router's BFD dies and the path stays; the router dies and the path goes", async () => {
  route("fd00:a0::2", router.linkLocalOf("g0"), "u0", 100);
  await startGateway();
  const { sourceAddress, watch } = await pathWhere("fibre", "is up", ({ liveness }) => liveness === "up");
  assert.deepEqual([sourceAddress?.interface, sourceAddress?.prefixLength], ["u0", 64]);
  assert.deepEqual(
    watch!.sessions.map(({ mode, local }) => [mode, local]),
    [
      ["seamless", "fd00:a0::2"],
      ["single-hop", `${gateway.linkLocalOf("u0")}%u0`],
    ],
  );
  await pathWhere("fibre", "is up by its first hop, too", (path) => firstHopOf(path)?.liveness === "up");

  frr.kill();
  const proven = await pathWhere("fibre", "is up although FRR is gone", ({ liveness, watch: seen }) =>
    Boolean(liveness === "up" && seen?.why.includes("although the first hop is down")),
  );
  const lately = proven.transitions.map(({ what, why }) => `${what}: ${why}`);
  assert.match(lately.join("\n"), /^up: end to end.*\ndown: first hop: BFD detection-expired/);
  assert.ok(proven.watch!.detectedInMs! >= 299, `${proven.watch!.detectedInMs} ms`);

  router.filter("table inet cut { chain f { type filter hook forward priority 0; drop; }; }");
  const down = await pathWhere("fibre", "is down", ({ liveness }) => liveness === "down");
  assert.match(down.watch!.why, /BFD detection-expired/);
});

void test("packets that leave by the wrong uplink are told with the remedy, and so is that they no longer do", async () => {
  route("fd00:a0::2", router.linkLocalOf("g0"), "u0", 100);
  // Not by u1, as the path wants it.
  route("fd00:a1::2", router.linkLocalOf("g0"), "u0", 101);
  await startGateway();
  const lte = await pathWhere("lte", "has a route", (path) => path.route !== null);
  assert.deepEqual([lte.route?.device, lte.route?.nextHop], ["u0", router.linkLocalOf("g0")]);
  assert.match(
    lte.route?.problem ?? "",
    /leave by u0, not by u1; add "ip -6 rule add from fd00:a1::2 lookup TABLE pref 1000"/,
  );
  const fibre = await pathWhere("fibre", "has a route", (path) => path.route !== null);
  assert.equal(fibre.route?.problem, null);
  gateway.run("ip", "-6", "route", "del", "default", "table", "101");
  gateway.run("ip", "-6", "route", "add", "default", "via", router.linkLocalOf("g1"), "dev", "u1", "table", "101");
  // A change of addresses makes the gateway look again at once.
  gateway.run("ip", "-6", "addr", "del", "fd00:a1::2/64", "dev", "u1");
  await pathWhere("lte", "has lost its source", ({ source }) => source === null);
  gateway.address("u1", "fd00:a1::2/64");
  await pathWhere("lte", "goes where it is meant to", (path) => path.route !== null && path.route.problem === null);
});

function route(source: string, via: string, device: string, table: number): void {
  gateway.run("ip", "-6", "rule", "add", "from", source, "lookup", String(table), "pref", "1000");
  gateway.run("ip", "-6", "route", "add", "default", "via", via, "dev", device, "table", String(table));
}

function firstHopOf(path: PathStatus) {
  return path.watch?.sessions.find(({ scope }) => scope === "firstHop");
}

function pathWhere(name: string, what: string, condition: (path: PathStatus) => boolean): Promise<PathStatus> {
  return eventually(
    `${name} ${what}`,
    async () => {
      const { uplinks } = await askGateway<"status">(statusSocket(), { get: "status" });
      const path = uplinks.paths.find((each) => each.name === name);
      return path !== undefined && condition(path) && path;
    },
    30_000,
  );
}

function statusSocket(): string {
  return join(lab.directory, "status.sock");
}

function write(name: string, document: unknown): string {
  const file = join(lab.directory, name);
  writeFileSync(file, JSON.stringify(document));
  return file;
}

function log(name: string): string {
  return join(lab.directory, `${name}.log`);
}
