import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadOrCreateIdentity } from "@paddock/wire/identity-file.ts";
import { generateIdentity, identityToPem } from "@paddock/wire/identity.ts";
import { readGatewayConfig } from "../config.ts";
import { provision } from "./provision.ts";

let directory: string;
let told: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-provision-"));
  told = [];
  await mkdir(join(directory, "config"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const place = (...names: string[]): string => join(directory, ...names);

function start() {
  return provision({
    configDir: place("config"),
    stateDir: place("state"),
    runDir: place("run"),
    networkDir: place("run-network"),
    ledsDir: place("leds"),
    tell: (line) => told.push(line),
  });
}

async function mode(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(place("config", name), ".."), { recursive: true });
    await writeFile(place("config", name), content);
  }
}

test("a first start takes everything, moves the key and leaves what a gateway can run with", async () => {
  const identity = generateIdentity();
  const pem = identityToPem(identity);
  await put({
    "gateway.json": '\uFEFF{\r\n"log": {"level": "warn"}\r\n}',
    "sensors.json": '{"sensors":{}}',
    "identity.pem": pem,
    "network/10-wan.network": "[Match]\r\nName=eth0\r\n",
    hostname: "barn\r\n",
  });
  await start();
  expect(told).toEqual(["CONFIG: everything is right."]);
  const config = await readGatewayConfig(place("run/gateway.json"));
  expect(config).toMatchObject({
    dataDir: place("state"),
    log: { level: "warn" },
    sensors: { file: place("run/sensors.json") },
  });
  const loaded = await loadOrCreateIdentity({ dataDir: config.dataDir });
  expect({ id: loaded.identity.id, created: loaded.created }).toEqual({ id: identity.id, created: false });
  expect((await readdir(place("config"))).toSorted()).toEqual(["gateway.json", "hostname", "network", "sensors.json"]);
  expect(await readFile(place("run-network/10-wan.network"), "utf8")).toBe("[Match]\nName=eth0\n");
  expect([await mode(place("run/gateway.json")), await mode(place("run-network/10-wan.network"))]).toEqual([
    0o600, 0o644,
  ]);
});

test("without a partition the last good configuration is used; without that the default", async () => {
  await put({ "gateway.json": '{"log":{"level":"error"}}' });
  await start();
  await rm(place("config"), { recursive: true });
  await rm(place("run"), { recursive: true });
  expect((await start()).source).toBe("last-good");
  expect(await readGatewayConfig(place("run/gateway.json"))).toMatchObject({ log: { level: "error" } });
  await rm(place("state"), { recursive: true });
  expect((await start()).source).toBe("default");
  expect(await readGatewayConfig(place("run/gateway.json"))).toMatchObject({ log: { level: "info" }, collector: null });
  expect(await readdir(directory)).not.toContain("config");
});

test("what is wrong is told on the partition until it is right, and the file is not written again for nothing", async () => {
  await put({ "gateway.json": '{"log":{"levle":"warn"}}' });
  await start();
  const errors = await readFile(place("config/config-errors.txt"), "utf8");
  expect(errors).toMatch(/gateway\.json, line 1\r\n.*did you mean "level"/u);
  expect(errors.replaceAll("\r\n", "")).not.toContain("\n");
  expect(told.join("\n")).toContain("CONFIG: gateway.json line 1:");
  const { mtimeMs, ino } = await stat(place("config/config-errors.txt"));
  await start();
  expect(await stat(place("config/config-errors.txt"))).toMatchObject({ mtimeMs, ino });
  await put({ "gateway.json": "{}" });
  await start();
  expect(await readdir(place("config"))).toEqual(["gateway.json"]);
});

test("what is wrong is told by the gateway too, bounded, and never from an older start", async () => {
  const names = Array.from({ length: 20 }, (_, index) => `network/${index}.conf`);
  await put({ "gateway.json": "{}", ...Object.fromEntries(names.map((name) => [name, "x"])) });
  await start();
  const { notices } = await readGatewayConfig(place("run/gateway.json"));
  expect(notices).toHaveLength(16);
  expect(notices[0]).toMatch(/^network\/0\.conf: systemd-networkd does not read/u);
  await rm(place("config/network"), { recursive: true });
  await start();
  expect(await readGatewayConfig(place("run/gateway.json"))).toMatchObject({ notices: [] });
  // Nor does the last good document tell it.
  await rm(place("config"), { recursive: true });
  await start();
  expect(await readGatewayConfig(place("run/gateway.json"))).toMatchObject({ notices: [] });
});

test("a light blinks while something is wrong: the usual one, or the one that led.txt names", async () => {
  for (const name of ["ACT", "eth0:green", "mine"]) await mkdir(place("leds", name), { recursive: true });
  await put({ "gateway.json": "{}" });
  await start();
  expect(await readdir(place("leds/ACT"))).toEqual([]);
  await put({ "gateway.json": "{" });
  await start();
  expect((await readdir(place("leds/ACT"))).toSorted()).toEqual(["delay_off", "delay_on", "trigger"]);
  expect(await readFile(place("leds/ACT/trigger"), "utf8")).toBe("timer");
  await put({ "led.txt": "mine\r\n" });
  await start();
  expect(await readFile(place("leds/mine/trigger"), "utf8")).toBe("timer");
  expect(await readdir(place("leds/eth0:green"))).toEqual([]);
});

test("a key stays where it is as long as it could not be moved", async () => {
  await put({ "identity.pem": identityToPem(generateIdentity()) });
  // A directory where the file belongs: not even root can replace it.
  await mkdir(place("state/identity.pem/occupied"), { recursive: true });
  await start();
  expect(await readdir(place("config"))).toContain("identity.pem");
  expect(told.join("\n")).toContain("identity.pem cannot be written");
});

test("nothing that is unreadable or out of bounds keeps it from ending", async () => {
  await put({ "gateway.json": "{}" });
  await writeFile(place("config/sensors.json"), Buffer.alloc(5 * 1024 * 1024));
  await mkdir(place("config/hostname"));
  await writeFile(place("config/network"), "a file where a folder belongs");
  await chmod(place("config"), 0o500);
  const { problems, source } = await start();
  await chmod(place("config"), 0o700);
  expect(source).toBe("config");
  expect(problems.map(({ file }) => file)).toEqual(["sensors.json", "hostname"]);
});
