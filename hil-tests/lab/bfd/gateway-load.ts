import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { askGateway } from "@paddock/gateway/status/status-client.ts";
import { Program, PROGRAMS } from "../failover/program.ts";
import { eventually, type Lab } from "../namespaces.ts";

const CLAIM = "lab-claim-code";
const COAP_PORT = 5683;
/** What each simulator tries to send: more than any machine of this lab takes. It goes as fast as it is answered. */
const SENSORS = 10_000;
const CADENCE_MS = 200;
/** Linux tells processor time in hundredths of a second (proc(5), stat). */
const TICK_MS = 10;

interface Taken {
  readonly atMs: number;
  readonly frames: number;
  readonly processorMs: number;
}

/** A gateway that takes all the load it can, with the collector that it reports to, in a namespace of their own. */
export class GatewayLoad {
  readonly #statusSocket: string;
  #begin: Taken | undefined;

  private constructor(statusSocket: string) {
    this.#statusSocket = statusSocket;
  }

  /** Starts everything and waits until frames are taken. It ends with the lab, or after `forS` seconds. */
  static async start(lab: Lab, forS: number): Promise<GatewayLoad> {
    const namespace = lab.namespace("ld");
    const at = (name: string): string => join(lab.directory, name);
    const run = async (name: "collector" | "gateway", config: object): Promise<Program> => {
      const file = at(`${name}.json`);
      await writeFile(file, JSON.stringify({ dataDir: at(name), store: { minFreeBytes: 0 }, ...config }));
      return Program.start(namespace, name, ["run", "--config", file], at(`${name}.log`));
    };
    const collector = await run("collector", {
      listen: [{ address: "::1", port: 8443 }],
      claims: [{ code: CLAIM, label: "lab" }],
    });
    const { fields } = collector.events.find(({ event }) => event === "ready")!;
    await run("gateway", {
      listen: [{ address: "::1", port: COAP_PORT }],
      collector: { publicKey: fields["publicKey"], claim: CLAIM, label: "lab" },
      paths: [{ name: "direct", endpoint: "https://[::1]:8443" }],
      status: { socket: at("load-status.sock") },
      discovery: { enabled: false },
    });
    await writeFile(at("load.json"), JSON.stringify(scenario(forS)));
    for (let seed = 1; seed <= availableParallelism(); seed++) {
      const where = ["--target", `[::1]:${COAP_PORT}`, "--out", "/dev/null"];
      namespace.spawn(process.execPath, [PROGRAMS.sim, "run", at("load.json"), "--seed", String(seed), ...where]);
    }
    const load = new GatewayLoad(at("load-status.sock"));
    await eventually("the gateway takes frames", async () => (await load.#taken()).frames > 0);
    load.#begin = await load.#taken();
    return load;
  }

  /** Since the load began: frames taken in a second, and the part of one processor that the gateway got. */
  async sinceBegin(): Promise<{ framesPerS: number; processorShare: number }> {
    const [begin, end] = [this.#begin!, await this.#taken()];
    const forMs = end.atMs - begin.atMs;
    return {
      framesPerS: Math.round(((end.frames - begin.frames) / forMs) * 1000),
      processorShare: (end.processorMs - begin.processorMs) / forMs,
    };
  }

  async #taken(): Promise<Taken> {
    const { pid, lanes } = await askGateway<"status">(this.#statusSocket, { get: "status" });
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold spaces; user and system time are the twelfth and thirteenth field behind it.
    const times = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    return {
      atMs: Date.now(),
      frames: lanes.reduce((sum, { acceptedFrames }) => sum + acceptedFrames, 0),
      processorMs: times.reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0),
    };
  }
}

function scenario(forS: number): object {
  const fleet = {
    name: "load",
    count: SENSORS,
    cadence: `${CADENCE_MS}ms`,
    jitter: "20ms",
    message: "non",
    model: { kind: "sine", name: "temperature", unit: "Cel", mean: 14, amplitude: 6, period: "10min", noise: 0.1 },
  };
  return { "paddock-scenario": 1, name: "load", duration: `${forS}s`, fleets: [fleet] };
}
