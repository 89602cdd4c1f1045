import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { until as untilMinute } from "@paddock/base/testing/until.ts";
import type { SinkReport } from "@paddock/collector/operator/operator-sinks.ts";
import { askJson } from "@paddock/collector/operator/operator-client.ts";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import type { LogEvent } from "../demo/children.ts";
import { MARIADBS, MariadbServer } from "../mariadb/mariadb-server.ts";
import { RedisServer } from "../redis/redis-server.ts";
import { Service } from "./service.ts";

const MAINS = {
  collector: fileURLToPath(import.meta.resolve("@paddock/collector/main.ts")),
  gateway: fileURLToPath(import.meta.resolve("@paddock/gateway/main.ts")),
  sim: fileURLToPath(import.meta.resolve("@paddock/sensor-sim/main.ts")),
} as const;
const SCENARIO = fileURLToPath(new URL("scenario.json", import.meta.url));
const CLAIM = "kills-claim-code";
/** Nothing is reserved: the readings of some minutes are small. */
const STORE = { minFreeBytes: 16 * 1024 * 1024, ballastBytes: 0 };
/** On a machine where others wait for the same disk. */
const MINUTES = 5;
const SINKS = ["files", "lake", "sql", "redis"];
export const REDIS_PREFIX = "paddock:";

/** Sensors, a gateway, a collector with a sink of each kind, and the servers that these write to; all real processes. */
export class Farm {
  readonly directory: string;
  readonly mariadb: MariadbServer;
  readonly redis: RedisServer;
  readonly #seed: number;
  #collector!: Service;
  #gateway!: Service;
  #sensors: ChildProcess | undefined;
  #sinksPid = 0;

  private constructor(directory: string, seed: number, mariadb: MariadbServer, redis: RedisServer) {
    this.directory = directory;
    this.#seed = seed;
    this.mariadb = mariadb;
    this.redis = redis;
  }

  /** The lake lies where it is said, or beside all else. */
  static async start(seed: number, { lake }: { readonly lake?: string } = {}): Promise<Farm> {
    const directory = await mkdtemp(join(tmpdir(), "paddock-farm-"));
    const [mariadb, redis] = await Promise.all([MariadbServer.start(MARIADBS[0]!), RedisServer.start()]);
    const farm = new Farm(directory, seed, mariadb, redis);
    await mariadb.freshDatabase();
    await farm.#startPrograms(lake ?? farm.path("lake"));
    return farm;
  }

  get collector(): Service {
    return this.#collector;
  }

  get gateway(): Service {
    return this.#gateway;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  async #startPrograms(lake: string): Promise<void> {
    const listen = [{ address: "::1", port: 0 }];
    await this.#sim(["keys", SCENARIO, "--seed", String(this.#seed), "--out", this.path("sensors.json")]);
    const sinks = [
      { name: "files", maxDelayMs: 200, files: { directory: this.path("files"), rotateBytes: 262_144 } },
      { name: "lake", maxDelayMs: 500, lake: { directory: lake } },
      {
        name: "sql",
        maxDelayMs: 200,
        sql: { socketPath: this.mariadb.socketPath, user: "root", database: "paddock" },
      },
      { name: "redis", maxDelayMs: 200, redis: { socketPath: this.redis.socketPath, prefix: REDIS_PREFIX } },
    ];
    const collector = {
      dataDir: this.path("collector"),
      operator: { socket: this.path("operator.sock") },
      claims: [{ code: CLAIM, label: "farm" }],
      store: STORE,
      sinks,
    };
    this.#collector = new Service(
      [MAINS.collector, "run", "--config", this.path("collector.json")],
      this.path("collector.log"),
      (event) => this.#collectorEvent(event),
    );
    const served = await this.#settled("collector.json", { ...collector, listen }, this.#collector, "listen");
    const gateway = {
      dataDir: this.path("gateway"),
      sensors: { file: this.path("sensors.json") },
      store: STORE,
      collector: { publicKey: served.ready["publicKey"], claim: CLAIM, label: "farm" },
      paths: [{ name: "lo", endpoint: `https://[::1]:${served.port}` }],
      status: { socket: this.path("status.sock") },
      discovery: { enabled: false },
    };
    const argv = [MAINS.gateway, "run", "--config", this.path("gateway.json")];
    this.#gateway = new Service(argv, this.path("gateway.log"));
    const { port } = await this.#settled("gateway.json", { ...gateway, listen }, this.#gateway, "addresses");
    const where = ["--target", `[::1]:${port}`, "--out", this.path("sent.ndjson"), "--clock", "now"];
    this.#sensors = spawn(
      process.execPath,
      [MAINS.sim, "run", SCENARIO, "--seed", String(this.#seed), ...where, "--json"],
      {
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
  }

  /** Starts a program on a free port, which it has in every later start as well. */
  async #settled(file: string, config: object, service: Service, field: "listen" | "addresses") {
    const write = (document: object): Promise<void> => writeFile(this.path(file), JSON.stringify(document));
    await write(config);
    const ready = await service.start();
    const [{ port }] = ready[field] as [{ readonly port: number }];
    await write({ ...config, listen: [{ address: "::1", port }] });
    return { ready, port };
  }

  #collectorEvent({ event, ...fields }: LogEvent): void {
    if (event === "sinks-started") this.#sinksPid = Number(fields["pid"]);
  }

  /** SIGKILL to the process of the sinks, if it is there. */
  killSinks(): void {
    const pid = this.#sinksPid;
    try {
      // The number may be another's by now.
      if (pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sinks/main.ts"))
        process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  /** Waits until these sinks have a problem, and gives what they say. */
  async complaintsOf(names: readonly string[]): Promise<string[]> {
    let problems: string[] = [];
    await until(async () => {
      const told = (await this.sinks()).filter(({ name }) => names.includes(name));
      problems = told.flatMap(({ problem }) => (problem === null ? [] : [problem]));
      if (problems.length < names.length) throw new Error(`not all complain: ${JSON.stringify(told)}`);
    });
    return problems;
  }

  get isSending(): boolean {
    return this.#sensors?.exitCode === null;
  }

  sinks(): Promise<SinkReport[]> {
    return askJson<SinkReport[]>(this.path("operator.sock"), { path: "/v1/sinks" });
  }

  /** Waits until frames that came after this moment are in every sink, or in those of these names. */
  async goesOn(names: readonly string[] = SINKS): Promise<void> {
    let before = -1;
    let wanted = -1;
    await until(async () => {
      const sinks = await this.sinks();
      const end = Math.max(...sinks.map(({ offset, lag }) => (offset ?? -1) + (lag?.records ?? 0)));
      if (before < 0) before = end;
      if (wanted < 0 && end > before) wanted = end;
      const behind = sinks.filter(({ name, offset }) => names.includes(name) && (wanted < 0 || (offset ?? 0) < wanted));
      if (behind.length > 0) throw new Error(`they do not come to ${wanted}: ${JSON.stringify(behind)}`);
    });
  }

  /** Ends the sensors, and waits until all they sent is in the ledger and in every sink. */
  async drain(): Promise<void> {
    const sensors = this.#sensors!;
    const ended = once(sensors, "exit");
    sensors.kill("SIGTERM");
    await ended;
    await until(async () => {
      const { buffer } = await askGateway<"status">(this.path("status.sock"), { get: "status" });
      if (buffer.pendingRecords > 0) throw new Error(`${buffer.pendingRecords} records wait in the gateway`);
    });
    await until(async () => {
      const sinks = JSON.parse(await this.#cli(["sinks", "--json"])) as SinkReport[];
      const behind = sinks.filter(({ state, lag }) => state !== "reading" || lag?.records !== 0);
      if (behind.length > 0) throw new Error(`they do not come to the end: ${JSON.stringify(behind)}`);
    });
  }

  /** The ledger's replay in a file; `senml` is readings, else records. */
  async exportLog(file: string, ...format: string[]): Promise<string> {
    const argv = [MAINS.collector, "log", "--config", this.path("collector.json"), "--from", "0", ...format];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    await pipeline(child.stdout, createWriteStream(this.path(file)));
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`paddock collector log ended with ${code}`);
    return this.path(file);
  }

  /** What `sim verify` says of each frame that was sent. Told to end, the sensors leave some without an answer. */
  async verify(log: string): Promise<unknown> {
    const files = ["--sent", this.path("sent.ndjson"), "--log", log];
    return JSON.parse(await this.#sim(["verify", ...files, "--allow-unconfirmed", "any", "--json"]));
  }

  async stop(): Promise<void> {
    this.#sensors?.kill("SIGKILL");
    await this.#gateway?.end();
    await this.#collector?.end("SIGTERM");
    await Promise.all([this.mariadb.stop(), this.redis.stop()]);
    if (process.env["PADDOCK_KILLS_KEEP"] === undefined) await rm(this.directory, { recursive: true, force: true });
  }

  #cli(args: readonly string[]): Promise<string> {
    return output([MAINS.collector, ...args, "--config", this.path("collector.json")]);
  }

  #sim(args: readonly string[]): Promise<string> {
    return output([MAINS.sim, ...args]);
  }
}

/** Standard output. Exit code 1 is a verdict, which the output holds as well. */
function output(argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, argv, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error !== null && error.code !== 1) reject(new Error(stderr, { cause: error }));
      else resolve(stdout);
    });
  });
}

async function until(condition: () => Promise<unknown>): Promise<void> {
  for (let left = MINUTES; ; left--) {
    try {
      return await untilMinute(condition);
    } catch (error) {
      if (left <= 1) throw error;
    }
  }
}
