/*
 * Sensors find the gateway by DNS-SD: avahi, a resolver of others, sees what the gateway announces over IPv6.
 *
 *     node --test hil-tests/lab/discovery/avahi.lab.test.ts
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import { Program } from "../failover/program.ts";
import { eventually, Lab, missingForLab } from "../namespaces.ts";
import { Avahi } from "../peers/avahi.ts";

const missing = missingForLab(["ip", "dbus-daemon", "avahi-daemon", "avahi-browse"]);
let lab: Lab | undefined;
before(() => assert.deepEqual(missing, []));
afterEach(() => lab?.destroy());

void test(
  "avahi-browse finds the gateway over IPv6, and forgets it when the gateway says goodbye",
  { timeout: 120_000 },
  async () => {
    lab = new Lab();
    const [gateway, sensors] = [lab.namespace("gw"), lab.namespace("sn")];
    lab.wire(gateway, "l0", sensors, "s0");
    gateway.address("l0", "fd00:5e::1/64");
    sensors.address("s0", "fd00:5e::2/64");
    const linkLocal = await eventually("the link-local address is there", () => gateway.linkLocalOf("l0"));
    const avahi = new Avahi(sensors, join(lab.directory, "avahi"));
    await avahi.start();

    const config = join(lab.directory, "gateway.json");
    const settings = {
      dataDir: join(lab.directory, "gateway"),
      store: { minFreeBytes: 0 },
      discovery: { name: "north-fence" },
    };
    await writeFile(config, JSON.stringify(settings));
    const program = await Program.start(
      gateway,
      "gateway",
      ["run", "--config", config],
      join(lab.directory, "gateway.log"),
    );
    const id = String(program.events.find(({ event }) => event === "ready")?.fields["id"]);

    const found = await eventually(
      "avahi sees the gateway",
      async () => {
        const services = await avahi.browse("_coap._udp");
        return services.find(({ name }) => name === "north-fence");
      },
      30_000,
    );
    assert.equal(found.protocol, "IPv6");
    assert.equal(found.port, 5683);
    assert.ok([linkLocal, "fd00:5e::1"].includes(found.address), `${found.address} is no address of the gateway`);
    assert.ok(found.txt.includes(id), `the TXT record does not name the gateway: ${found.txt}`);

    assert.equal(await program.end("SIGTERM"), 0);
    await eventually("avahi has forgotten it", async () => (await avahi.browse("_coap._udp")).length === 0);
    avahi.stop();
  },
);

void test(
  "two gateways of one image and one configured name are two names and two hosts, each with its own address",
  { timeout: 120_000 },
  async () => {
    lab = new Lab();
    const sensors = lab.namespace("sn");
    sensors.run("ip", "link", "add", "br0", "type", "bridge");
    sensors.run("ip", "link", "set", "br0", "up");
    sensors.address("br0", "fd00:5e::9/64");
    const programs: Program[] = [];
    for (const [index, second] of ["1", "2"].entries()) {
      const gateway = lab.namespace(`gw${second}`);
      lab.wire(gateway, "l0", sensors, `s${second}`);
      sensors.run("ip", "link", "set", `s${second}`, "master", "br0");
      gateway.address("l0", `fd00:5e::${second}/64`);
      await eventually("the link-local address is there", () => gateway.linkLocalOf("l0"));
      const config = join(lab.directory, `gateway${second}.json`);
      const settings = {
        dataDir: join(lab.directory, `gateway${second}`),
        listen: [{ address: `fd00:5e::${second}` }],
        store: { minFreeBytes: 0 },
        discovery: { name: "north-fence" },
      };
      await writeFile(config, JSON.stringify(settings));
      const log = join(lab.directory, `gateway${second}.log`);
      const program = await Program.start(gateway, "gateway", ["run", "--config", config], log);
      programs.push(program);
      await eventually(
        `gateway ${second} has announced itself`,
        () => program.events.some(({ event }) => event === "discovery"),
        15_000,
      );
      assert.equal(program.events.filter(({ event }) => event === "discovery-conflict").length, index);
    }
    const avahi = new Avahi(sensors, join(lab.directory, "avahi"));
    await avahi.start();
    const found = await eventually(
      "avahi sees both",
      async () => {
        const services = await avahi.browse("_coap._udp");
        return services.length === 2 && services;
      },
      30_000,
    );
    const byName = Object.fromEntries(found.map(({ name, address }) => [name, address]));
    assert.deepEqual(byName, { "north-fence": "fd00:5e::1", "north-fence-2": "fd00:5e::2" });
    assert.equal(new Set(found.map(({ host }) => host)).size, 2);
    for (const { host } of found) assert.match(host, /^paddock-[0-9a-f]{12}(-2)?\.local$/);
    for (const program of programs) assert.equal(await program.end("SIGTERM"), 0);
    avahi.stop();
  },
);
