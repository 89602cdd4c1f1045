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
const GIB = 1024 ** 3;

/** A gateway (the bundle), a collector and the load generator, all real processes, in a directory of their own. */
export class Rig {
  readonly directory: string;
  readonly flood: Flood;
  readonly gatewayConfig: string;
  readonly #bundle: string;
  readonly #collectorConfig: string;
  collector: Program;
  gateway: Program;
  coapPort = 0;

  private constructor(directory: string, flood: Flood, bundle: string, collector: Program) {
    this.directory = directory;
    this.flood = flood;
    this.#bundle = bundle;
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
  static async start(parent: string, gatewayArguments: readonly string[] = []): Promise<Rig> {
    const directory = await mkdtemp(join(parent, "paddock-bench-"));
    const sweep = () => rmSync(directory, { recursive: true, force: true });
    process.once("exit", sweep);
    const bundle = await bundleGateway(directory);
    const flood = await Flood.make(directory);
    const config = (port: number) =>
      JSON.stringify({
        dataDir: join(directory, "collector"),
        listen: [{ address: "::1", port }],
        claims: [{ code: CLAIM, label: "bench" }],
        store: { maxBytes: 64 * GIB, minFreeBytes: 0 },
      });
    const file = join(directory, "collector.json");
    await writeFile(file, config(0));
    const collector = await startCollector(file);
    const port = portOf(collector);
    // A collector that comes back has to be found where it was.
    await writeFile(file, config(port));
    const rig = new Rig(directory, flood, bundle, collector);
    process.off("exit", sweep);
    await mkdir(join(directory, "gateway"), { recursive: true });
    await writeFile(
      rig.gatewayConfig,
      JSON.stringify({
        dataDir: join(directory, "gateway"),
        listen: [{ address: "::1", port: 0 }],
        store: { maxBytes: 4 * GIB },
        collector: { publicKey: collector.ready["publicKey"], claim: CLAIM, label: "bench" },
        paths: [{ name: "direct", endpoint: `https://[::1]:${port}` }],
        discovery: { enabled: false },
      }),
    );
    await rig.startGateway(gatewayArguments);
    if (!(await within(20_000, async () => (await rig.status()).uplinks.enrolment === "approved")))
      throw new Error("the collector did not admit the gateway within 20 s");
    return rig;
  }

  async startGateway(nodeArguments: readonly string[] = []): Promise<void> {
    this.gateway = await startProgram([...nodeArguments, this.#bundle, "run", "--config", this.gatewayConfig]);
    this.coapPort = (this.gateway.ready["addresses"] as { port: number }[])[0]!.port;
  }

  async startCollector(): Promise<void> {
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

function startCollector(config: string): Promise<Program> {
  return startProgram([join(ROOT, "collector/main.ts"), "run", "--config", config]);
}

function portOf({ ready }: Program): number {
  const port = /"port":(\d+)/u.exec(JSON.stringify(ready));
  if (port === null) throw new Error(`the collector's ready event names no port: ${JSON.stringify(ready)}`);
  return Number(port[1]);
}
