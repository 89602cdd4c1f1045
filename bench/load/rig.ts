import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import type { GatewayStatus } from "@paddock/gateway/status/status.ts";
import { startProgram, type Program } from "./child.ts";
import { Flood } from "./flood.ts";
import { within } from "./numbers.ts";

const ROOT = join(import.meta.dirname, "../..");
const CLAIM = "benchmark-claim";
const DISCRIMINATOR = 900;
/** Listeners of the collector, so that each path can have its own. */
const ENDPOINTS = 3;
const GIB = 1024 ** 3;

export interface GatewayOptions {
  /** Paths to the collector, 1 to 3. Default 1. */
  readonly paths?: number;
  /** How seamless BFD watches each of them; without it, nothing does. */
  readonly watch?: "steady" | "fast";
}

interface CollectorAddress {
  readonly publicKey: string;
  readonly ports: readonly number[];
  readonly bfdPort: number;
}

/** A gateway (the bundle), a collector and the load generator, all real processes, in a directory of their own. */
export class Rig {
  readonly directory: string;
  readonly flood: Flood;
  readonly gatewayConfig: string;
  readonly #bundle: string;
  readonly #collectorConfig: string;
  readonly #collector: CollectorAddress;
  collector: Program;
  gateway: Program;
  coapPort = 0;

  private constructor(directory: string, flood: Flood, bundle: string, collector: Program) {
    this.directory = directory;
    this.flood = flood;
    this.#bundle = bundle;
    this.#collector = addressOf(collector);
    this.#collectorConfig = join(directory, "collector.json");
    this.gatewayConfig = join(directory, "gateway.json");
    this.collector = collector;
    this.gateway = collector;
    process.once("exit", this.#abandon);
  }

  /** A run that was broken off leaves neither processes nor files. */
  readonly #abandon = (): void => {
    this.gateway.process.kill("SIGKILL");
    this.collector.process.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  };

  /** Bundles the gateway and starts everything; resolves when the collector has admitted the gateway. */
  static async start(parent: string): Promise<Rig> {
    const directory = await mkdtemp(join(parent, "paddock-bench-"));
    const sweep = () => rmSync(directory, { recursive: true, force: true });
    process.once("exit", sweep);
    const bundle = await bundleGateway(directory);
    const flood = await Flood.make(directory);
    const file = join(directory, "collector.json");
    await writeFile(file, JSON.stringify(configOf(directory, Array<number>(ENDPOINTS).fill(0), 0)));
    const rig = new Rig(directory, flood, bundle, await startCollector(file));
    process.off("exit", sweep);
    await mkdir(join(directory, "gateway"), { recursive: true });
    try {
      await rig.startGateway();
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** Resolves when the collector has admitted the gateway, and every path that is to be watched is seen to be up. */
  async startGateway({ paths = 1, watch }: GatewayOptions = {}): Promise<void> {
    const { publicKey, ports, bfdPort } = this.#collector;
    const session = { mode: "seamless", remotePort: bfdPort, discriminator: DISCRIMINATOR, profile: watch };
    const bfd = watch === undefined ? undefined : { endToEnd: session };
    await writeFile(
      this.gatewayConfig,
      JSON.stringify({
        dataDir: join(this.directory, "gateway"),
        listen: [{ address: "::1", port: 0 }],
        store: { maxBytes: 4 * GIB },
        collector: { publicKey, claim: CLAIM, label: "bench" },
        paths: ports.slice(0, paths).map((port, index) => ({
          name: `path-${index + 1}`,
          endpoint: `https://[::1]:${port}`,
          bfd,
        })),
        discovery: { enabled: false },
      }),
    );
    this.gateway = await startProgram([this.#bundle, "run", "--config", this.gatewayConfig]);
    this.coapPort = (this.gateway.ready["addresses"] as { port: number }[])[0]!.port;
    const ready = await within(20_000, async () => {
      const { uplinks } = await this.status();
      const seen = watch === undefined || uplinks.paths.every(({ liveness }) => liveness === "up");
      return uplinks.enrolment === "approved" && seen;
    });
    if (!ready) throw new Error("the gateway was not admitted, or its paths not up, within 20 s");
  }

  /** With more of its configuration, where that is given. */
  async startCollector(more: object = {}): Promise<void> {
    // A collector that comes back has to be found where it was.
    const { ports, bfdPort } = this.#collector;
    await writeFile(this.#collectorConfig, JSON.stringify({ ...configOf(this.directory, ports, bfdPort), ...more }));
    this.collector = await startCollector(this.#collectorConfig);
  }

  get bundle(): string {
    return this.#bundle;
  }

  status(): Promise<GatewayStatus> {
    return askGateway<"status">(join(this.directory, "gateway/status.sock"), { get: "status" });
  }

  /** Offset behind the newest record in the collector's ledger. */
  async logEnd(): Promise<number> {
    const text = (await readAll(await this.askCollector("/metrics"))).toString();
    const match = /^paddock_collector_log_end (\d+)/mu.exec(text);
    if (match === null) throw new Error("the collector's metrics have no paddock_collector_log_end");
    return Number(match[1]);
  }

  askCollector(path: string, accept = "*/*"): Promise<IncomingMessage> {
    const socketPath = join(this.directory, "collector/operator.sock");
    return new Promise((resolve, reject) => {
      get({ socketPath, path, headers: { accept }, agent: false }, (answer) => {
        if (answer.statusCode === 200) resolve(answer);
        else reject(new Error(`${path}: ${answer.statusCode}`));
      }).on("error", reject);
    });
  }

  /** Nothing waits for the disk or the collector. False when it still does after the limit. */
  idle(limitMs: number): Promise<boolean> {
    return within(limitMs, async () => {
      const { buffer, lanes } = await this.status();
      return buffer.pendingRecords === 0 && lanes.every((lane) => lane.acceptedFrames === lane.committedFrames);
    });
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.collector.stop();
    await rm(this.directory, { recursive: true, force: true });
    process.off("exit", this.#abandon);
  }
}

/** Builds the bundle as images ship it, into the directory; returns its entry. */
export async function bundleGateway(directory: string): Promise<string> {
  const out = join(directory, "bundle");
  await promisify(execFile)(process.execPath, [join(ROOT, "node_modules/rolldown/bin/cli.mjs"), "-c", "-d", out], {
    cwd: ROOT,
  });
  return join(out, "paddock-gateway.mjs");
}

export async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function configOf(directory: string, ports: readonly number[], bfdPort: number): object {
  return {
    dataDir: join(directory, "collector"),
    listen: ports.map((port) => ({ address: "::1", port })),
    bfd: { seamless: { listen: [{ address: "::1", port: bfdPort }], discriminator: DISCRIMINATOR } },
    claims: [{ code: CLAIM, label: "bench" }],
    store: { maxBytes: 64 * GIB, minFreeBytes: 0 },
  };
}

function startCollector(config: string): Promise<Program> {
  return startProgram([join(ROOT, "collector/main.ts"), "run", "--config", config]);
}

function addressOf({ ready }: Program): CollectorAddress {
  const { publicKey, listen, bfd } = ready as unknown as {
    readonly publicKey: string;
    readonly listen: readonly { readonly port: number }[];
    readonly bfd: { readonly seamless: readonly [{ readonly port: number }] };
  };
  return { publicKey, ports: listen.map(({ port }) => port), bfdPort: bfd.seamless[0].port };
}
