import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { PaddockError } from "@paddock/base/errors.ts";
import { configJsonSchema } from "./config-schema.ts";
import { formatAddress, parseGatewayConfig } from "./config.ts";
import { socketPath } from "./config/socket-path.ts";
import { uplinkPaths } from "./paths/configured-paths.ts";

const publicKey = "ab".repeat(32);
const minimal = { dataDir: "/var/lib/paddock" };
const forwarding = {
  ...minimal,
  collector: { publicKey },
  paths: [{ name: "fibre", endpoint: "https://[::1]:8443" }],
};

function faultOf(document: unknown): string {
  try {
    parseGatewayConfig(document);
  } catch (error) {
    if (error instanceof PaddockError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  throw new Error("the document was accepted");
}

describe("gateway configuration", () => {
  test("only dataDir is required; these are the defaults", () => {
    expect(parseGatewayConfig(minimal)).toEqual({
      dataDir: "/var/lib/paddock",
      listen: [{ address: "::", port: 5683 }],
      plainListen: [],
      identity: { keyFile: null },
      sensors: { file: null, unknown: "accept", rateFramesPerS: 0 },
      lanes: {
        alarm: { lingerMs: 0, pressure: "refuse-new", quotaShare: 0.2 },
        telemetry: { lingerMs: 5, pressure: "evict-oldest", quotaShare: 0.5 },
        bulk: { lingerMs: 20, pressure: "evict-oldest", quotaShare: 0.3 },
      },
      store: { maxBytes: 1_073_741_824, minFreeBytes: 67_108_864, ballastBytes: 8_388_608 },
      collector: null,
      bfd: { socket: null },
      paths: [],
      forward: { order: "live-first", backfillShare: 0.25, alarmTwice: false, drainMs: 2000 },
      status: { socket: null },
      metrics: { listen: null, tls: null, tokenFile: null },
      discovery: { enabled: true, multicast: true, name: null },
      log: { level: "info" },
      notices: [],
      directives: { take: ["config", "release"], everyS: 300, trialS: 300 },
    });
    const { collector, paths } = parseGatewayConfig(forwarding);
    expect(collector).toEqual({ publicKey, claim: null, label: "", ca: null });
    expect(paths).toEqual([
      {
        name: "fibre",
        source: null,
        interface: null,
        nextHop: null,
        endpoint: "https://[::1]:8443",
        fallbackEndpoints: [],
        preference: 100,
        cost: 0,
        riskGroups: [],
        metered: null,
        bfd: null,
      },
    ]);
  });

  test("what is printed parses to the same again", () => {
    const config = parseGatewayConfig(forwarding);
    expect(parseGatewayConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test("an unknown key is refused and gets the nearest known name", () => {
    expect(faultOf({ ...minimal, stor: {} })).toMatch(/stor: unknown key.*"store"/);
    expect(faultOf({ ...minimal, lanes: { alarm: { lingerMS: 1 } } })).toMatch(
      /lanes\.alarm\.lingerMS: unknown key.*"lingerMs"/,
    );
  });

  test.each([
    ["a missing dataDir", {}, /dataDir/],
    ["a port out of range", { ...minimal, listen: [{ address: "::", port: 65_536 }] }, /listen\[0\]\.port.*65536/],
    [
      "an address that is none",
      { ...minimal, listen: [{ address: "fence", port: 1 }] },
      /listen\[0\]\.address.*"fence"/,
    ],
    [
      "an IPv4 listener",
      { ...minimal, listen: [{ address: "192.0.2.1" }] },
      /listen\[0\]\.address.*IPv6 only.*translator/,
    ],
    ["an IPv4 listener in IPv6 clothes", { ...minimal, plainListen: [{ address: "::ffff:192.0.2.1" }] }, /IPv6 only/],
    ["a link-local listener without its link", { ...minimal, listen: [{ address: "fe80::1" }] }, /fe80::1%eth0/],
    ["a group as listener", { ...minimal, listen: [{ address: "ff02::fd" }] }, /joins ff02::fd .* by itself/],
    ["no listener at all", { ...minimal, listen: [] }, /listen: .*at least one listener/],
    ["one address twice", { ...minimal, plainListen: [{ address: "::", port: 5683 }] }, /listen: .*once/],
    ["shares above one", { ...minimal, lanes: { alarm: { quotaShare: 0.5 } } }, /lanes: .*add up to 1/],
    ["a ballast above the quota", { ...minimal, store: { maxBytes: 2_000_000 } }, /store\.ballastBytes: 8388608/],
    ["paths without a collector", { ...minimal, paths: forwarding.paths }, /paths: .*without a collector/],
    ["a collector without paths", { ...minimal, collector: { publicKey } }, /paths: .*at least one path/],
    [
      "two paths of one name",
      { ...forwarding, paths: [...forwarding.paths, ...forwarding.paths] },
      /paths\[1\]\.name: "fibre" is refused; expected a different name for each path\./,
    ],
    ["a key that is not hex", { ...forwarding, collector: { publicKey: "AB" } }, /collector\.publicKey.*"AB"/],
    [
      "an endpoint without TLS",
      { ...forwarding, paths: [{ name: "a", endpoint: "http://x" }] },
      /paths\[0\]\.endpoint/,
    ],
    [
      "an endpoint with a path of its own",
      { ...forwarding, paths: [{ name: "a", endpoint: "https://[::1]:8443/paddock" }] },
      /paths\[0\]\.endpoint: .*no path/,
    ],
    [
      "a fallback endpoint with a query",
      { ...forwarding, paths: [{ name: "a", endpoint: "https://x", fallbackEndpoints: ["https://x/?a"] }] },
      /paths\[0\]\.fallbackEndpoints\[0\]: .*no path/,
    ],
    [
      "an IPv4 source for an IPv6 endpoint",
      { ...forwarding, paths: [{ name: "a", source: "10.0.0.1", endpoint: "https://[::1]:8443" }] },
      /paths\[0\]\.source: "[^"{]*" is refused; .*all IPv6 or all IPv4/,
    ],
    [
      "an IPv6 prefix for an IPv4 fallback",
      {
        ...forwarding,
        paths: [
          { name: "a", source: "2001:db8::/48", endpoint: "https://x", fallbackEndpoints: ["https://192.0.2.1"] },
        ],
      },
      /paths\[0\]\.source: "[^"{]*" is refused; .*all IPv6 or all IPv4/,
    ],
    [
      "a link-local source without interface",
      { ...forwarding, paths: [{ name: "a", source: "fe80::1", endpoint: "https://[::1]:8443" }] },
      /paths\[0\]\.source: "fe80::1" is refused; .*link-local/,
    ],
    ["a socket path that Unix refuses", { dataDir: `/${"d".repeat(120)}` }, /status\.socket: .*107 bytes/],
  ])("refuses %s and names the field", (_what, document, fault) => {
    expect(faultOf(document)).toMatch(fault);
  });

  test.each([
    { name: "a", source: "fe80::1%wan0", endpoint: "https://[::1]:8443" },
    { name: "a", source: "fe80::1", interface: "wan0", endpoint: "https://[::1]:8443" },
    { name: "a", source: "10.0.0.1", endpoint: "https://192.0.2.1/" },
    { name: "a", source: "10.0.0.1", endpoint: "https://collector.example" },
  ])("takes the path %j", (path) => {
    expect(parseGatewayConfig({ ...forwarding, paths: [path] }).paths).toHaveLength(1);
  });

  test("null stands for no metrics listener, as for other things that are not there", () => {
    expect(parseGatewayConfig({ ...minimal, metrics: null }).metrics).toEqual({
      listen: null,
      tls: null,
      tokenFile: null,
    });
  });

  test("a token for the metrics is not sent in the clear", () => {
    const metrics = { listen: { address: "::", port: 9464 }, tokenFile: "/etc/paddock/metrics-token" };
    expect(faultOf({ ...minimal, metrics })).toMatch(/metrics\.tokenFile: .*metrics\.tls/);
    const tls = { cert: "/c.pem", key: "/k.pem" };
    expect(parseGatewayConfig({ ...minimal, metrics: { ...metrics, tls } }).metrics).toEqual({ ...metrics, tls });
  });

  test("every fault is reported at once", () => {
    const message = faultOf({ dataDir: 7, log: { level: "loud" }, forward: { backfillShare: 2 } });
    for (const field of ["dataDir", "log.level", "forward.backfillShare"]) expect(message).toContain(field);
  });

  test("paths in the forwarder's form: no nulls, lanes by number", () => {
    const path = { ...forwarding.paths[0], metered: { bytesPerMonth: 1e9, lanes: ["alarm"] } };
    expect(uplinkPaths(parseGatewayConfig({ ...forwarding, paths: [path] }))).toEqual([
      {
        name: "fibre",
        endpoint: "https://[::1]:8443",
        preference: 100,
        cost: 0,
        riskGroups: [],
        metered: { bytesPerMonth: 1e9, billingDay: 1, lanes: [0] },
      },
    ]);
  });

  test("the status socket is in dataDir unless it is set", () => {
    expect(socketPath(parseGatewayConfig(minimal))).toBe("/var/lib/paddock/status.sock");
    expect(socketPath(parseGatewayConfig({ ...minimal, status: { socket: "/run/p.sock" } }))).toBe("/run/p.sock");
  });

  test("addresses as people write them", () => {
    expect(formatAddress("fe80::1%eth0", 5683)).toBe("[fe80::1%eth0]:5683");
    expect(formatAddress("127.0.0.1", 1)).toBe("127.0.0.1:1");
  });

  test("config.schema.json is what the schema generates; `node gateway/config-schema.ts` writes it anew", async () => {
    const stored = await readFile(new URL("config.schema.json", import.meta.url), "utf8");
    expect(stored).toBe(configJsonSchema());
  });
});
