import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Program } from "../lab/failover/program.ts";
import { Lab, type Namespace } from "../lab/namespaces.ts";
import { Disk } from "./disk.ts";
import type { MachineOptions } from "./machine.ts";

const SENSOR = fileURLToPath(import.meta.resolve("./sensor-main.ts"));
/** One for each gateway of a file of tests: a freshly flashed disk makes another one. */
const CLAIMS = Array.from({ length: 8 }, (_each, index) => `boot-claim-code-${index}`);
const LEDGER_EVERY_MS = 3000;
/** Of the collector, whichever uplink leads there. */
const COLLECTOR = "2001:db8:c::1";

/** Two uplinks, each with a router that advertises a prefix of its own. */
export const UPLINKS = [
  { tap: "tap0", mac: "02:00:00:00:00:0a", prefix: "2001:db8:a::", eui: "::ff:fe00:a" },
  { tap: "tap1", mac: "02:00:00:00:00:0b", prefix: "2001:db8:b::", eui: "::ff:fe00:b" },
] as const;

/** What surrounds a machine: two links with routers, and a collector behind them. All in one network namespace. */
export class Site {
  readonly lab = new Lab();
  readonly namespace: Namespace;
  readonly #sensors: Sensor[] = [];
  #collector: Program | undefined;
  #collectorKey: string | undefined;
  #gateways = 0;

  constructor() {
    this.namespace = this.lab.namespace("bt");
    this.namespace.sysctl("net.ipv6.conf.all.forwarding", 1);
    this.namespace.address("lo", `${COLLECTOR}/128`);
    for (const { tap, prefix } of UPLINKS) {
      this.namespace.run("ip", "tuntap", "add", "dev", tap, "mode", "tap");
      this.namespace.address(tap, `${prefix}1/64`);
      this.namespace.run("ip", "link", "set", tap, "up");
    }
  }

  get directory(): string {
    return this.lab.directory;
  }

  /** A disk that an image was just flashed on, of a name of its own in the site's directory. */
  flash(image: string, name = "disk", sizeMiB?: number): Promise<Disk> {
    return Disk.flash(image, join(this.directory, name), sizeMiB);
  }

  /** The parts of a machine's options that are the site's. */
  machine(
    disk: string,
    name = "gateway",
  ): Pick<MachineOptions, "namespace" | "disk" | "variables" | "cards" | "consoleLog"> {
    return {
      namespace: this.namespace,
      disk,
      variables: join(this.directory, `${name}.vars`),
      cards: UPLINKS.map(({ tap, mac }) => ({ tap, mac })),
      consoleLog: join(this.directory, `${name}.console`),
    };
  }

  /** Starts to advertise the prefixes. */
  async startRouters(): Promise<void> {
    const file = join(this.directory, "radvd.conf");
    const links = UPLINKS.map(
      ({ tap, prefix }) =>
        `interface ${tap} { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix ${prefix}/64 { }; RDNSS ${prefix}53 { }; };\n`,
    );
    await writeFile(file, links.join(""), { mode: 0o600 });
    this.namespace.daemon(
      join(this.directory, "radvd.log"),
      "radvd",
      "-C",
      file,
      "-p",
      join(this.directory, "radvd.pid"),
    );
  }

  /** Starts the collector. Resolves with its public key, hex. */
  async startCollector(): Promise<string> {
    const config = {
      dataDir: join(this.directory, "collector"),
      listen: [{ address: COLLECTOR, port: 8443 }],
      operator: { socket: this.operatorSocket },
      claims: CLAIMS.map((code) => ({ code, label: "boot" })),
      store: { minFreeBytes: 0 },
    };
    const file = join(this.directory, "collector.json");
    await writeFile(file, JSON.stringify(config));
    const log = join(this.directory, "collector.log");
    this.#collector = await Program.start(this.namespace, "collector", ["run", "--config", file], log);
    return String(this.#collector.events.find(({ event }) => event === "ready")!.fields["publicKey"]);
  }

  get operatorSocket(): string {
    return join(this.directory, "operator.sock");
  }

  /** The document of another gateway, with a path over each uplink to the collector of the site. */
  gatewayDocument(collectorKey: string): Record<string, unknown> {
    const claim = CLAIMS[this.#gateways++];
    if (claim === undefined) throw new Error(`the site has claim codes for ${CLAIMS.length} gateways`);
    return {
      dataDir: "/var/lib/paddock",
      collector: { publicKey: collectorKey, claim, label: "boot" },
      paths: UPLINKS.map(({ prefix }, index) => ({
        name: `uplink${index}`,
        source: `${prefix}/64`,
        endpoint: `https://[${COLLECTOR}]:8443`,
        preference: 200 - index,
      })),
      store: { minFreeBytes: 0 },
    };
  }

  /** Makes of a disk one of another gateway, which forwards to the site's collector; that is started at the first time. */
  async configure(disk: Disk): Promise<void> {
    this.#collectorKey ??= await this.startCollector();
    const document = join(this.directory, "gateway.json");
    await writeFile(document, JSON.stringify(this.gatewayDocument(this.#collectorKey)));
    await disk.put("CONFIG", "gateway.json", document);
  }

  /** Starts all that surrounds a machine. Resolves with a freshly flashed disk whose gateway forwards to the collector. */
  async startWithDisk(image: string): Promise<Disk> {
    await this.startRouters();
    const disk = await this.flash(image);
    await this.configure(disk);
    return disk;
  }

  /** All readings in the collector's ledger, as "name value", in its order. */
  async ledger(): Promise<string[]> {
    const child = this.namespace.spawn(
      process.execPath,
      [COLLECTOR_PROGRAM, "log", "--socket", this.operatorSocket, "--from", "0", "--format", "senml"],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const readings: string[] = [];
    for await (const line of createInterface({ input: child.stdout! })) {
      const { name, number } = JSON.parse(line) as { name?: string; number?: number };
      if (name !== undefined) readings.push(`${name} ${number}`);
    }
    return readings;
  }

  /** Resolves once the ledger has every reading that was acknowledged when this was called; rejects after the limit. */
  async everyPromiseKept(limitMs: number): Promise<number> {
    const promised = this.promised();
    const endMs = Date.now() + limitMs;
    for (;;) {
      const ledger = new Set(await this.ledger());
      const missing = promised.filter((reading) => !ledger.has(reading));
      if (missing.length === 0) return promised.length;
      if (Date.now() > endMs)
        throw new Error(`acknowledged, and not in the ledger: ${missing.slice(0, 20).join(", ")}`);
      // Asking takes a process, and the emulated machine needs the processor more.
      await new Promise((done) => setTimeout(done, LEDGER_EVERY_MS));
    }
  }

  /**
   * Starts a sensor on the first link that posts `count` frames (default: without end) until each is acknowledged. With
   * `key`, hex, they are authenticated frames of the sensor of that name. `paceMs` is the time between two of them; the
   * default keeps an emulated processor busy with nothing else.
   */
  startSensor(name: string, count?: number, key?: string, paceMs?: number): Sensor {
    const { tap, eui } = UPLINKS[0];
    const sensor = new Sensor(this.namespace, {
      name,
      to: `fe80${eui}%${tap}`,
      ...(count === undefined ? {} : { count }),
      ...(key === undefined ? {} : { key }),
      ...(paceMs === undefined ? {} : { paceMs }),
    });
    this.#sensors.push(sensor);
    return sensor;
  }

  /** What must be in a ledger: "name value" of every frame that any sensor got an acknowledgement for. */
  promised(): string[] {
    return this.#sensors.flatMap((sensor) => sensor.promised);
  }

  async end(): Promise<void> {
    for (const sensor of this.#sensors) await sensor.stop();
    await this.#collector?.end("SIGTERM");
    this.lab.destroy();
  }
}

const COLLECTOR_PROGRAM = fileURLToPath(import.meta.resolve("@paddock/collector/main.ts"));

interface SensorOptions {
  readonly name: string;
  readonly to: string;
  readonly count?: number;
  readonly key?: string;
  readonly paceMs?: number;
}

/** A sensor that counts: each value is sent until the gateway acknowledges it, then comes the next one. */
export class Sensor {
  readonly name: string;
  /** Values that were acknowledged, in order, with the time of the answer (Unix ms). */
  readonly acknowledged: { readonly value: number; readonly atMs: number }[] = [];
  readonly #child;
  readonly #ended;

  constructor(namespace: Namespace, options: SensorOptions) {
    this.name = options.name;
    this.#child = namespace.spawn(process.execPath, [SENSOR, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#ended = once(this.#child, "exit");
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.acknowledged.push(JSON.parse(line) as { value: number; atMs: number });
    });
  }

  /** What must be in a ledger: "name value" of everything that was acknowledged. */
  get promised(): string[] {
    return this.acknowledged.map(({ value }) => `${this.name} ${value}`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
