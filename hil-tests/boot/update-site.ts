import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { eventually } from "../lab/namespaces.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import { Shell } from "./shell.ts";
import { Site, type Sensor } from "./site.ts";
import { imageUnderTest, START_LIMIT_MS } from "./variables.ts";

const SERVER = fileURLToPath(import.meta.resolve("./update-server-main.ts"));
const COLLECTOR_PROGRAM = fileURLToPath(import.meta.resolve("@paddock/collector/main.ts"));
/** Where the collector is, too. */
const ADDRESS = "2001:db8:c::1";
const PORT = 8099;

/** The one sensor that the gateway of an update site has a key of. */
const KEYED = { name: "keyed", key: "5e".repeat(32) };

/** What `paddock gateway update status --json` says, as far as tests look at it. */
export interface StatusSeen {
  readonly running: string;
  readonly pending: { readonly version: string; readonly written: boolean } | null;
  readonly held: string | null;
  readonly releases: readonly { readonly version: string; readonly state: string }[];
  readonly results: readonly { readonly version?: string; readonly outcome: string; readonly reason: string | null }[];
}

/** What `paddock collector fleet --json` says, as far as tests look at it. */
export interface FleetSeen {
  readonly gateways: readonly {
    readonly id: string;
    readonly state: string;
    readonly directive: { readonly subject: string; readonly outcome: string; readonly reason: string } | null;
  }[];
}

/** A machine with the image under test and a configuration, a collector and a server of releases beside it. */
export class UpdateSite {
  readonly site: Site;
  readonly disk: Disk;
  /** Folder with the releases that the server has. */
  readonly releases: string;
  #machine: Machine | undefined;
  #shell: Shell | undefined;

  private constructor(site: Site, disk: Disk) {
    this.site = site;
    this.disk = disk;
    this.releases = join(site.directory, "releases");
  }

  static async make(): Promise<UpdateSite> {
    const site = new Site();
    await site.startRouters();
    const collectorKey = await site.startCollector();
    const disk = await Disk.flash(imageUnderTest(), join(site.directory, "disk"));
    const document = join(site.directory, "gateway.json");
    const config = { ...site.gatewayDocument(collectorKey), directives: { everyS: 5 } };
    await writeFile(document, JSON.stringify(config));
    await disk.put("CONFIG", "gateway.json", document);
    const sensors = join(site.directory, "sensors.json");
    await writeFile(sensors, JSON.stringify({ sensors: { [KEYED.name]: { key: KEYED.key } } }));
    await disk.put("CONFIG", "sensors.json", sensors);
    return new UpdateSite(site, disk);
  }

  get machine(): Machine {
    return this.#machine!;
  }

  /** Starts the machine. */
  async start(): Promise<void> {
    this.#machine = await Machine.start({
      ...this.site.machine(this.disk.path),
      ...Shell.machine(this.site.directory),
    });
  }

  async shell(): Promise<Shell> {
    this.#shell?.close();
    this.#shell = await Shell.open(this.machine, this.site.directory);
    return this.#shell;
  }

  /** Resolves once the sensor has `more` more values acknowledged than now. */
  async acknowledges(sensor: Sensor, more = 1): Promise<void> {
    const wanted = sensor.acknowledged.length + more;
    await eventually(`${more} acknowledged frames`, () => sensor.acknowledged.length >= wanted, START_LIMIT_MS);
  }

  /** The sensor whose frames are known again whatever happens in between, as they have a number and a tag. */
  startKeyedSensor(paceMs?: number): Sensor {
    return this.site.startSensor(KEYED.name, undefined, KEYED.key, paceMs);
  }

  /** Starts a server of what is in `releases` now; with `stallAfter` it answers no more after so many bytes. */
  async serve(stallAfter?: number): Promise<UpdateServer> {
    return UpdateServer.start(this.site, { folder: this.releases, address: ADDRESS, port: PORT, stallAfter });
  }

  /** What a command of the collector prints. */
  async collector(...words: string[]): Promise<string> {
    const args = [COLLECTOR_PROGRAM, ...words, "--socket", this.site.operatorSocket];
    const child = this.site.namespace.spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const [out, wrong] = await Promise.all([textOf(child.stdout!), textOf(child.stderr!)]);
    if (out === "") throw new Error(`collector ${words.join(" ")}: ${wrong}`);
    return out;
  }

  async fleet(): Promise<FleetSeen> {
    return JSON.parse(await this.collector("fleet", "--json")) as FleetSeen;
  }

  /** Readings that are in the ledger more than once. */
  async doubled(): Promise<string[]> {
    const seen = new Set<string>();
    return (await this.site.ledger()).filter((reading) => seen.size === seen.add(reading).size);
  }

  /** The machine has no power any more. */
  async cutPower(): Promise<void> {
    this.#shell?.close();
    await this.machine.cutPower();
  }

  async end(): Promise<void> {
    this.#shell?.close();
    await this.#machine?.cutPower();
    await this.site.end();
  }
}

/** A server of releases in the namespace of a site. */
export class UpdateServer {
  readonly url = `http://[${ADDRESS}]:${PORT}/`;
  readonly #child;
  readonly #ended;
  /** Whether it left a request without an answer. */
  hasStalled = false;

  private constructor(site: Site, options: object) {
    this.#child = site.namespace.spawn(process.execPath, [SERVER, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#ended = once(this.#child, "exit");
  }

  static async start(site: Site, options: object): Promise<UpdateServer> {
    const server = new UpdateServer(site, options);
    let isReady = false;
    createInterface({ input: server.#child.stdout! }).on("line", (line) => {
      isReady ||= line.includes("ready");
      server.hasStalled ||= line.includes("stalled");
    });
    await eventually("the server of releases", () => isReady);
    return server;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
