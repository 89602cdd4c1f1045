import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evaluateNix } from "@paddock/nix/evaluate.ts";
import { IMAGE_FILES, shippedFiles } from "@paddock/nix/generate.ts";
import { run } from "../docs/run.ts";
import { ROOT_PATH } from "../docs/units.ts";

/** What nix/lib makes of settings, read by the programs that it is made for: nix, nft, systemd, networkd. */

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-nix-"));
});
afterAll(() => rm(directory, { recursive: true }));

const filesOf = async (settings: string): Promise<Record<string, string>> =>
  (await evaluateNix(`(import ./lib).filesOf ${settings}`)) as Record<string, string>;

/** A machine with everything: two providers, one of which advertises itself, and two links with sensors. */
const SITE = `{
  gateway = { metricsPort = 9464; plainPorts = [ 5685 ]; memoryMaxMiB = 256; };
  collector = { enable = true; metricsPort = 9465; seamlessPort = 7784; };
  tools.path = "/usr/bin:/usr/sbin";
  network = {
    enable = true;
    uplinks = [
      { interface = "wan0"; macAddress = "02:00:00:00:00:01"; prefixes = [ "2001:db8:a::/48" ]; }
      {
        interface = "wan1";
        prefixes = [ "2001:db8:b::/48" "2001:db8:bb::/48" ];
        addresses = [ "2001:db8:b::2/64" ];
        router = "fe80::1";
      }
    ];
    sensorLinks = [
      { interface = "field0"; addresses = [ "fd00:1::1/64" ]; advertise = [ "fd00:1::/64" ]; }
      { interface = "field1"; }
    ];
  };
  firewall = { enable = true; sensorInterfaces = [ "field0" "field1" ]; tcpPorts = [ 22 ]; };
}`;

async function writeAll(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
}

const alike = (value: boolean, count: number): boolean[] => Array.from({ length: count }, () => value);

const alone = process.getuid?.() === 0 ? ["unshare", "-n", "-m"] : ["unshare", "-r", "-n", "-m"];
const inNamespace = (...command: string[]) => run(alone[0]!, ...alone.slice(1), ...command);

test("units, packet filter and files of images in nix/ are what nix/lib makes: else run `node nix/generate.ts`", async () => {
  const made = await shippedFiles();
  expect(Object.keys(made)).toContain("units/paddock-gateway.service");
  for (const [path, text] of Object.entries(made))
    expect(await readFile(join(ROOT_PATH, "nix", path), "utf8"), path).toBe(text);
  const there = (await readdir(IMAGE_FILES, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(ROOT_PATH, "nix/").length));
  expect(there.toSorted()).toEqual(Object.keys(made).filter((path) => path.startsWith("image/files/")));
});

test.each([
  ["{ gatewey.enable = true; }", "settings.gatewey: there is no such setting. Did you mean gateway?"],
  ["{ gateway.coapports = [ 1 ]; }", "settings.gateway.coapports: there is no such setting. Did you mean coapPorts?"],
  ["{ gateway.enable = 1; }", "settings.gateway.enable: expected true or false, got 1."],
  [
    "{ gateway.coapPorts = [ 5683 70000 ]; }",
    "settings.gateway.coapPorts[1]: expected a whole number of port, 1 to 65535",
  ],
  ["{ gateway.coapPorts = 5683; }", "settings.gateway.coapPorts: expected a list, got 5683."],
  ['{ gateway.config = "etc/x"; }', 'settings.gateway.config: expected a whole path, or null, got "etc/x".'],
  ['{ gateway.command = "/opt/x $(reboot)"; }', "settings.gateway.command: expected a whole path of a program"],
  ["{ network.enable = true; network.uplinks = [ { } ]; }", "settings.network.uplinks[0].interface: is missing"],
  [
    '{ network.enable = true; network.uplinks = [ { interface = "wan0"; prefixes = [ "2001:db8::1::/48" ]; } ]; }',
    "settings.network.uplinks[0].prefixes[0]: expected an IPv6 prefix",
  ],
  [
    '{ network.enable = true; network.uplinks = [ { interface = "a"; } { interface = "b"; prefixes = [ "fd00::/8" ]; } ]; }',
    "settings.network.uplinks: a has no prefixes",
  ],
  [
    '{ network = { enable = true; uplinks = [ { interface = "a"; } ]; sensorLinks = [ { interface = "a"; } ]; }; }',
    "settings.network: the interface a is named more than once",
  ],
  ["{ firewall.sensorPacketsPerS = -1; }", "settings.firewall.sensorPacketsPerS: expected a whole number"],
])("%s is refused, with what is meant", async (settings, words) => {
  await expect(filesOf(settings)).rejects.toThrow(words);
});

test("an address is what RFC 4291 says, and an interface what Linux takes", async () => {
  const verdicts = await evaluateNix(`
    let text = import ./lib/text.nix; in {
      addresses = map text.isIPv6 [ "::" "::1" "2001:db8::" "1:2:3:4:5:6:7:8" "::ffff:192.0.2.1" "fe80::1" ];
      noAddresses = map text.isIPv6 [ "" ":" ":::" "1::2::3" "1:2:3:4:5:6:7" "1:2:3:4:5:6:7:8:9" "12345::" "::1.2.3" "1.2.3.4::" "fe80::1%a" "1:2:3:4:5:6:7::8" ];
      interfaces = map text.isInterface [ "wan0" "enp0s31f6" "br-lan.5" ];
      noInterfaces = map text.isInterface [ "" "." ".." "a b" "a/b" "sixteen-letters-" "a\\nb" ];
    }`);
  expect(verdicts).toEqual({
    addresses: alike(true, 6),
    noAddresses: alike(false, 11),
    interfaces: alike(true, 3),
    noInterfaces: alike(false, 7),
  });
});

test("nft takes both filters, with every part of them and with none", async () => {
  const shapes = [
    SITE,
    "{ firewall.enable = true; }",
    "{ firewall.enable = true; gateway.enable = false; bfd.enable = false; }",
  ];
  for (const settings of [
    ...shapes,
    "{ firewall = { enable = true; sensorPacketsPerS = 0; }; gateway.coapPorts = [ ]; }",
  ]) {
    const filters = Object.entries(await filesOf(settings)).filter(([path]) => path.endsWith(".nft"));
    expect(filters.length, settings).toBeGreaterThan(0);
    for (const [path, text] of filters) {
      await writeAll({ [path]: text });
      expect(await inNamespace("nft", "-f", join(directory, path)), path).toEqual({ status: 0, output: "" });
    }
  }
});

test("systemd understands every line of every unit of a machine with everything", async () => {
  const units = Object.entries(await filesOf(SITE)).filter(([path]) => path.endsWith(".service"));
  expect(units).toHaveLength(4);
  const files = units.map(
    ([path, text]) => [join(directory, path), text.replaceAll("/opt/paddock/", ROOT_PATH)] as const,
  );
  for (const [path, text] of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const { output } = await run(
    "systemd-analyze",
    "verify",
    "--man=no",
    "--recursive-errors=no",
    ...files.map(([path]) => path),
  );
  expect(output.split("\n").filter((line) => line.includes("paddock"))).toEqual([]);
});

test("networkd makes of it what is meant: each source leaves by its own uplink, or not at all", async () => {
  const files = await filesOf(SITE);
  const network = Object.entries(files).filter(([path]) => path.startsWith("etc/systemd/network/"));
  // The .link file is udev's, which does not run here.
  await writeAll(Object.fromEntries(network));
  const script = `
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/network
    cp ${join(directory, "etc/systemd/network")}/*.network /run/systemd/network/
    for name in wan0 wan1 field0 field1; do ip link add $name type veth peer name far-$name; ip link set far-$name up; done
    PATH=$PATH:/lib/systemd:/usr/lib/systemd systemd-networkd >/run/log 2>&1 & networkd=$!
    tries=0
    until [ "$(ip -6 rule | grep -c 'from 2001:db8:bb::/48')" = 2 ] && ip -6 route show table 102 | grep -q default &&
      ip -6 addr show field0 | grep -q fd00:1::1 && ip -6 rule | grep -q '^2001:' && ip -6 rule | grep -q '^2000:'; do
      tries=$((tries + 1))
      [ $tries -lt 300 ] || { cat /run/log; break; }
      sleep 0.2
    done
    kill $networkd
    grep -iE 'unknown|invalid|failed to parse|ignoring' /run/log
    ip -6 rule | tr '\\t' ' '
    ip -6 route show table 102`;
  const { output } = await inNamespace("sh", "-c", script);
  const told = output.split("\n").map((line) => line.trim());
  expect(new Set(told.filter((line) => line !== ""))).toEqual(
    new Set([
      "0: from all lookup local",
      "900: from all lookup main suppress_prefixlength 0 proto static",
      "1000: from 2001:db8:a::/48 lookup 101 proto static",
      "1000: from 2001:db8:b::/48 lookup 102 proto static",
      "1000: from 2001:db8:bb::/48 lookup 102 proto static",
      "1100: from 2001:db8:a::/48 lookup main unreachable proto static",
      "1100: from 2001:db8:b::/48 lookup main unreachable proto static",
      "1100: from 2001:db8:bb::/48 lookup main unreachable proto static",
      "2000: from all lookup 101 proto static",
      "2001: from all lookup 102 proto static",
      "32766: from all lookup main",
      "default via fe80::1 dev wan1 proto static metric 1024 pref medium",
    ]),
  );
});
