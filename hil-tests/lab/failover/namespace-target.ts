import { execFile } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import { eventually } from "../namespaces.ts";
import { applyFault, buildField, COLLECTOR, GATEWAY, sourceOf, type Field } from "./field.ts";
import { Program, PROGRAMS } from "./program.ts";
import { UPLINKS, type Fault, type GatewayOptions, type LoggedEvent, type Simulator } from "./target.ts";
import type { Target, Uplink, Watch } from "./target.ts";

const run = promisify(execFile);
const CLAIM = "lab-claim-code";
const REFLECTOR_DISCRIMINATOR = 900;
/** Of the reflector at real-time priority; the collector's own answers on the registered port. */
const REALTIME_REFLECTOR_PORT = 7785;
/** The first uplink is the preferred one. */
const PREFERENCES = [300, 200, 100] as const;

/** Real Paddock processes in network namespaces of this machine. */
export class NamespaceTarget implements Target {
  readonly coapTarget = `[${GATEWAY}]:5683`;
  readonly #field: Field = buildField();
  readonly #gatewayLog: LoggedEvent[] = [];
  #gateway: Program | undefined;
  #collector: Program | undefined;
  #speakerSocket: string | undefined;

  get directory(): string {
    return this.#field.lab.directory;
  }

  async startCollector(): Promise<void> {
    const config = {
      dataDir: join(this.directory, "collector"),
      listen: [{ address: COLLECTOR, port: 8443 }],
      operator: { socket: this.#operatorSocket },
      claims: [{ code: CLAIM, label: "lab" }],
      bfd: { seamless: { listen: [{ address: COLLECTOR }], discriminator: REFLECTOR_DISCRIMINATOR } },
      store: { minFreeBytes: 0 },
    };
    const file = await this.#write("collector.json", config);
    this.#collector = await Program.start(
      this.#field.collector,
      "collector",
      ["run", "--config", file],
      join(this.directory, "collector.log"),
    );
  }

  async startGateway({ watch, sensorsFile }: GatewayOptions): Promise<void> {
    if (watch === "fast") await this.#startRealtimeBfd();
    const ready = this.#collector!.events.find(({ event }) => event === "ready")!;
    const config = {
      dataDir: join(this.directory, "gateway"),
      listen: [{ address: GATEWAY, port: 5683 }],
      sensors: { file: sensorsFile ?? null },
      store: { minFreeBytes: 0 },
      collector: { publicKey: ready.fields["publicKey"], claim: CLAIM, label: "lab" },
      paths: UPLINKS.map((uplink, index) => this.#path(uplink, PREFERENCES[index]!, watch)),
      ...(this.#speakerSocket === undefined ? {} : { bfd: { socket: this.#speakerSocket } }),
      status: { socket: this.#statusSocket },
      discovery: { enabled: false },
    };
    const file = await this.#write("gateway.json", config);
    this.#gateway = await Program.start(
      this.#field.gateway,
      "gateway",
      ["run", "--config", file],
      join(this.directory, "gateway.log"),
    );
  }

  async killGateway(): Promise<void> {
    await this.#gateway!.end("SIGKILL");
    this.#gatewayLog.push(...this.#gateway!.events);
    this.#gateway = undefined;
  }

  async killCollector(): Promise<void> {
    await this.#collector!.end("SIGKILL");
  }

  stopCollector(): Promise<number | null> {
    return this.#collector!.end("SIGTERM");
  }

  async gatewayStatus(): ReturnType<Target["gatewayStatus"]> {
    const { uplinks, buffer } = await askGateway<"status">(this.#statusSocket, { get: "status" });
    return { uplinks, pendingRecords: buffer.pendingRecords };
  }

  gatewayEvents(name?: string): readonly LoggedEvent[] {
    const all = [...this.#gatewayLog, ...(this.#gateway?.events ?? [])];
    return name === undefined ? all : all.filter(({ event }) => event === name);
  }

  startSimulator(args: readonly string[]): Simulator {
    const child = this.#field.sensors.spawn(process.execPath, [PROGRAMS.sim, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk: Buffer) => (output += String(chunk)));
    const finished = new Promise<{ code: number | null; output: string }>((resolve) => {
      child.once("close", (code) => resolve({ code, output }));
    });
    return {
      finished,
      get running() {
        return child.exitCode === null && child.signalCode === null;
      },
    };
  }

  async writeCollectorLog(file: string): Promise<void> {
    const out = openSync(file, "w");
    try {
      const child = this.#field.collector.spawn(
        process.execPath,
        [PROGRAMS.collector, "log", "--socket", this.#operatorSocket, "--from", "0"],
        { stdio: ["ignore", out, "inherit"] },
      );
      const code = await new Promise((resolve) => child.once("exit", resolve));
      if (code !== 0) throw new Error(`paddock collector log ended with ${String(code)}`);
    } finally {
      closeSync(out);
    }
  }

  async breakUplink(uplink: Uplink, fault: Fault): Promise<void> {
    applyFault(this.#field.providers[uplink], fault);
  }

  async healUplink(uplink: Uplink): Promise<void> {
    applyFault(this.#field.providers[uplink], undefined);
  }

  async pingOver(uplink: Uplink): Promise<boolean> {
    const ping = ["ping", "-6", "-c", "1", "-W", "2", "-I", sourceOf(uplink), COLLECTOR];
    try {
      await run("ip", ["netns", "exec", this.#field.gateway.name, ...ping]);
      return true;
    } catch {
      return false;
    }
  }

  async destroy(): Promise<void> {
    // Also ends every process in the namespaces.
    this.#field.lab.destroy();
  }

  get #operatorSocket(): string {
    return join(this.directory, "operator.sock");
  }

  get #statusSocket(): string {
    return join(this.directory, "status.sock");
  }

  #path(uplink: Uplink, preference: number, watch: Watch) {
    return {
      name: uplink,
      source: sourceOf(uplink),
      endpoint: `https://[${COLLECTOR}]:8443`,
      preference,
      ...(watch === "none" ? {} : { bfd: bfdOf(watch) }),
    };
  }

  /**
   * For intervals that need it: speaker and reflector on their own, at real-time priority, as a service manager would
   * run them. Otherwise the gateway starts its speaker itself, and the collector answers.
   */
  async #startRealtimeBfd(): Promise<void> {
    if (this.#speakerSocket !== undefined) return;
    const socket = join(this.directory, "bfd.sock");
    const listen = [{ address: COLLECTOR, port: REALTIME_REFLECTOR_PORT }];
    const reflect = { listen, discriminators: [REFLECTOR_DISCRIMINATOR] };
    const file = await this.#write("reflector.json", { reflect, socket: join(this.directory, "reflector.sock") });
    const command = ["-f", "50", process.execPath, PROGRAMS.bfd];
    this.#field.collector.spawn("chrt", [...command, "--standalone", "--config", file]);
    this.#field.gateway.spawn("chrt", [...command, "--socket", socket]);
    const ask = [PROGRAMS.bfd, "status", "--socket"];
    for (const each of [socket, join(this.directory, "reflector.sock")]) {
      // Exit code 0: it answers, and none of its sessions is down.
      await eventually(`the BFD process at ${each} answers`, async () => {
        await run(process.execPath, [...ask, each]);
        return true;
      });
    }
    this.#speakerSocket = socket;
  }

  async #write(name: string, value: unknown): Promise<string> {
    const file = join(this.directory, name);
    await writeFile(file, JSON.stringify(value, undefined, 2));
    return file;
  }
}

function bfdOf(profile: Exclude<Watch, "none">) {
  const session = { mode: "seamless", profile, discriminator: REFLECTOR_DISCRIMINATOR };
  return profile === "fast" ? { ...session, remotePort: REALTIME_REFLECTOR_PORT } : session;
}
