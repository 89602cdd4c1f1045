import { execFile } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import { eventually } from "../namespaces.ts";
import { Nginx } from "../peers/nginx.ts";
import { Delays } from "./delays.ts";
import { inflict, type Inflicted } from "./faults.ts";
import * as field from "./field.ts";
import { COLLECTOR, GATEWAY } from "./field.ts";
import { keepPackets } from "./packets.ts";
import { pidsOf } from "./processes.ts";
import { Program, PROGRAMS } from "./program.ts";
import { FrrRival } from "./rival-frr.ts";
import { segmentsOf } from "./segments.ts";
import { UPLINKS, type Fault, type FaultName, type GatewayOptions, type GatewayReport } from "./target.ts";
import type {
  HeldAddress,
  IngressOptions,
  LoggedEvent,
  Rival,
  Segments,
  SettingName,
  Simulator,
  Target,
  Uplink,
  Watch,
} from "./target.ts";

const run = promisify(execFile);
const CLAIM = "lab-claim-code";
const COLLECTOR_PORT = 8443;
const INGRESS_PORT = 443;
const REFLECTOR_DISCRIMINATOR = 900;
const REFLECTOR_PORT = 7784;
/** Of the reflector at real-time priority; the collector's own answers on the registered port. */
const REALTIME_REFLECTOR_PORT = 7785;
/** The first uplink is the preferred one. */
const PREFERENCES = [300, 200, 100] as const;

/** Real Paddock processes in network namespaces of this machine. */
export class NamespaceTarget implements Target {
  readonly coapTarget = `[${GATEWAY}]:5683`;
  readonly #field: field.Field = field.buildField();
  readonly #gatewayLog: LoggedEvent[] = [];
  readonly #broken = new Map<Uplink, Inflicted>();
  readonly #delays = new Map<Uplink, Delays>();
  /** Which of its two prefixes an uplink has now. */
  readonly #numbering = new Map<Uplink, 0 | 1>();
  #gateway: Program | undefined;
  #collector: Program | undefined;
  #ingress: Nginx | undefined;
  #speakerSocket: string | undefined;
  #endCaptures: (() => Promise<void>) | undefined;
  readonly #sabotaged: string | undefined;

  /** `sabotaged` names a fault that is never done, though it is said to be: to see that scenarios notice. */
  constructor(sabotaged?: string) {
    this.#sabotaged = sabotaged;
  }

  get directory(): string {
    return this.#field.lab.directory;
  }

  async startCollector(): Promise<void> {
    const config = {
      dataDir: join(this.directory, "collector"),
      listen: [{ address: COLLECTOR, port: COLLECTOR_PORT }],
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

  async startIngress(options: IngressOptions): Promise<void> {
    const listen = `[${COLLECTOR}]:${INGRESS_PORT}`;
    const addresses = { listen, collector: `[${COLLECTOR}]:${COLLECTOR_PORT}` };
    this.#ingress = new Nginx(this.#field.collector, join(this.directory, "nginx"), { ...addresses, ...options });
    await this.#ingress.start();
  }

  async reloadIngress(): Promise<void> {
    if (this.#happens("ingress-again")) this.#ingress!.reload();
  }

  async ingressConnections(): Promise<number> {
    return this.#ingress!.connections();
  }

  async restartIngress(): Promise<void> {
    if (this.#happens("ingress-again")) await this.#ingress!.restart();
  }

  ingressPids(): Promise<readonly number[]> {
    return pidsOf(this.#field.collector.name, "nginx");
  }

  async startGateway(options: GatewayOptions): Promise<void> {
    if (options.watch === "fast") await this.#startRealtimeBfd();
    const ready = this.#collector!.events.find(({ event }) => event === "ready")!;
    const config = {
      dataDir: join(this.directory, "gateway"),
      listen: [{ address: GATEWAY, port: 5683 }],
      sensors: { file: options.sensorsFile ?? null },
      store: { minFreeBytes: 0 },
      collector: {
        publicKey: ready.fields["publicKey"],
        claim: CLAIM,
        label: "lab",
        ca: this.#ingress?.authority ?? null,
      },
      paths: UPLINKS.map((uplink, index) => this.#path(uplink, PREFERENCES[index]!, options)),
      ...(this.#speakerSocket === undefined ? {} : { bfd: { socket: this.#speakerSocket } }),
      forward: { alarmTwice: options.alarmTwice && this.#happens("alarm-twice") },
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
    if (!this.#happens("killed-gateway")) return;
    await this.#gateway!.end("SIGKILL");
    this.#gatewayLog.push(...this.#gateway!.events);
    this.#gateway = undefined;
  }

  async killCollector(): Promise<void> {
    if (this.#happens("ended-collector")) await this.#collector!.end("SIGKILL");
  }

  async stopCollector(): Promise<number | null> {
    return this.#happens("ended-collector") ? this.#collector!.end("SIGTERM") : null;
  }

  isRunning(program: "gateway" | "collector"): boolean {
    return (program === "gateway" ? this.#gateway : this.#collector)?.running ?? false;
  }

  async killSpeaker(): Promise<void> {
    if (!this.#happens("killed-speaker")) return;
    const speakers = await this.speakerPids();
    if (speakers.length === 0) throw new Error("no speaker runs beside the gateway");
    for (const pid of speakers) process.kill(pid, "SIGKILL");
  }

  speakerPids(): Promise<readonly number[]> {
    return pidsOf(this.#field.gateway.name, PROGRAMS.bfd);
  }

  async gatewayReport(): Promise<GatewayReport> {
    const { uplinks, buffer, lanes } = await askGateway<"status">(this.#statusSocket, { get: "status" });
    const pendingAlarms = lanes.find(({ lane }) => lane === "alarm")?.pendingRecords ?? 0;
    return { uplinks, pendingRecords: buffer.pendingRecords, pendingAlarms };
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
      stop: () => void child.kill("SIGTERM"),
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

  async makeDelayable(): Promise<void> {
    const services = { tcpPort: COLLECTOR_PORT, udpPorts: [REFLECTOR_PORT, REALTIME_REFLECTOR_PORT] };
    for (const line of Object.values(this.#field.lines)) {
      this.#delays.set(line.uplink, await Delays.start(line, this.directory, services));
    }
  }

  async breakUplink(uplink: Uplink, fault: Fault): Promise<number> {
    if (this.#broken.has(uplink)) throw new Error(`${uplink} is broken already`);
    const inflicted =
      fault.kind === "delay"
        ? await this.#holdBack(uplink, fault.roundTripMs, fault.variationMs)
        : inflict(this.#field.lines[uplink], fault, !this.#happens(fault.kind));
    this.#broken.set(uplink, inflicted);
    return inflicted.atMs;
  }

  async touchedBy(uplink: Uplink): Promise<number> {
    return (await this.#broken.get(uplink)?.touched()) ?? 0;
  }

  async segments(): Promise<Segments> {
    return segmentsOf(this.#field.gateway.run("cat", "/proc/net/snmp"));
  }

  async healUplink(uplink: Uplink): Promise<number | undefined> {
    const inflicted = this.#broken.get(uplink);
    if (inflicted === undefined) return undefined;
    this.#broken.delete(uplink);
    const touched = await inflicted.touched();
    await inflicted.undo(this.#prefixOf(uplink));
    return touched;
  }

  async offerNewPrefix(uplink: Uplink): Promise<number> {
    if (!this.#happens("new-prefix")) return Date.now();
    const line = this.#field.lines[uplink];
    field.offerPrefix(line, line.prefixes[1]);
    field.assignAddress(line, line.prefixes[1]);
    this.#numbering.set(uplink, 1);
    return Date.now();
  }

  async deprecateOldPrefix(uplink: Uplink): Promise<void> {
    if (!this.#happens("deprecated-prefix")) return;
    const { gateway, device, prefixes } = this.#field.lines[uplink];
    const address = `${prefixes[0].host}/64`;
    gateway.run("ip", "-6", "addr", "change", address, "dev", device, "valid_lft", "3600", "preferred_lft", "0");
  }

  async withdrawOldPrefix(uplink: Uplink): Promise<void> {
    if (!this.#happens("withdrawn-prefix")) return;
    const line = this.#field.lines[uplink];
    field.releaseAddress(line, line.prefixes[0]);
    field.withdrawPrefix(line, line.prefixes[0]);
  }

  async removeAddress(uplink: Uplink): Promise<number> {
    if (this.#happens("lost-address")) field.releaseAddress(this.#field.lines[uplink], this.#prefixOf(uplink));
    return Date.now();
  }

  async restoreAddress(uplink: Uplink): Promise<number> {
    field.assignAddress(this.#field.lines[uplink], this.#prefixOf(uplink));
    return Date.now();
  }

  addressesOf(uplink: Uplink): readonly HeldAddress[] {
    const { gateway, device } = this.#field.lines[uplink];
    const links = JSON.parse(gateway.run("ip", "-j", "-6", "addr", "show", "dev", device, "scope", "global")) as {
      addr_info?: { local?: string; deprecated?: boolean }[];
    }[];
    const infos = links.flatMap(({ addr_info: held = [] }) => held);
    return infos.flatMap(({ local, deprecated = false }) =>
      local === undefined ? [] : { address: local, deprecated },
    );
  }

  async pingOver(uplink: Uplink): Promise<boolean> {
    const ping = ["ping", "-c", "1", "-W", "2", "-I", this.#prefixOf(uplink).host, COLLECTOR];
    try {
      await run("ip", ["netns", "exec", this.#field.gateway.name, ...ping]);
      return true;
    } catch {
      return false;
    }
  }

  startRival(watch: Exclude<Watch, "none">): Promise<Rival> {
    return FrrRival.start(this.#field, watch);
  }

  async capture(filePrefix: string): Promise<void> {
    this.#endCaptures = await keepPackets(Object.values(this.#field.lines), filePrefix);
  }

  async destroy(): Promise<void> {
    try {
      await this.#endCaptures?.();
    } finally {
      // Also ends every process in the namespaces.
      this.#field.lab.destroy();
    }
  }

  async #holdBack(uplink: Uplink, roundTripMs: number, variationMs: number): Promise<Inflicted> {
    const delays = this.#delays.get(uplink);
    if (delays === undefined) throw new Error("an uplink can be delayed only after makeDelayable");
    const before = await delays.heldBack();
    if (this.#happens("delay")) await delays.set(roundTripMs, variationMs);
    return {
      atMs: Date.now(),
      touched: async () => (await delays.heldBack()) - before,
      undo: () => delays.set(0, 0),
    };
  }

  /** The one place where the sabotage bites. */
  #happens(fault: FaultName | SettingName): boolean {
    return this.#sabotaged !== fault;
  }

  get #operatorSocket(): string {
    return join(this.directory, "operator.sock");
  }

  get #statusSocket(): string {
    return join(this.directory, "status.sock");
  }

  #prefixOf(uplink: Uplink): field.Prefix {
    return this.#field.lines[uplink].prefixes[this.#numbering.get(uplink) ?? 0];
  }

  #path(uplink: Uplink, preference: number, { watch, sourceBy, budgets, riskGroups }: GatewayOptions) {
    const { device, block } = this.#field.lines[uplink];
    const bytesPerMonth = budgets.get(uplink);
    const source = {
      address: { source: this.#prefixOf(uplink).host },
      interface: { interface: device },
      prefix: { source: block },
    }[sourceBy];
    return {
      name: uplink,
      ...source,
      endpoint: `https://[${COLLECTOR}]:${this.#ingress === undefined ? COLLECTOR_PORT : INGRESS_PORT}`,
      preference,
      riskGroups: this.#happens("risk-groups") ? (riskGroups.get(uplink) ?? []) : [],
      ...(bytesPerMonth === undefined || !this.#happens("metered") ? {} : { metered: { bytesPerMonth } }),
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
  return { endToEnd: profile === "fast" ? { ...session, remotePort: REALTIME_REFLECTOR_PORT } : session };
}
