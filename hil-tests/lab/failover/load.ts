import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyReport } from "@paddock/sensor-sim/verify/report.ts";
import { PROGRAMS } from "./program.ts";
import type { Simulator, Target } from "./target.ts";

/** Sensors that wait for the answer to each frame, and retransmit until it comes. */
export interface LoadOptions {
  readonly framesPerS: number;
  readonly durationS: number;
  /** Keyed sensors number their frames, so that a gateway which lost its memory still knows a copy. */
  readonly keyed?: boolean;
}

const SEED = "1";
const SENSORS_PER_FRAME_RATE = 0.2;

/** What the sensors send during one scenario, and the proof of what became of it. */
export class Load {
  readonly #target: Target;
  readonly #options: LoadOptions;
  #simulator: Simulator | undefined;

  constructor(target: Target, options: LoadOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Writes the scenario and, for keyed sensors, the gateway's sensors file, whose path it returns. */
  async prepare(): Promise<string | undefined> {
    const { framesPerS, durationS, keyed = false } = this.#options;
    const count = Math.max(1, Math.round(framesPerS * SENSORS_PER_FRAME_RATE));
    const fleet = {
      name: "load",
      count,
      cadence: `${Math.round((count / framesPerS) * 1000)}ms`,
      jitter: "20ms",
      message: "con",
      keyed,
      model: { kind: "sine", name: "temperature", unit: "Cel", mean: 14, amplitude: 6, period: "10min", noise: 0.1 },
    };
    const scenario = { "paddock-scenario": 1, name: "load", duration: `${durationS}s`, fleets: [fleet] };
    await writeFile(this.#scenarioFile, JSON.stringify(scenario));
    if (!keyed) return undefined;
    const sensorsFile = join(this.#target.directory, "sensors.json");
    await sim(["keys", this.#scenarioFile, "--seed", SEED, "--out", sensorsFile]);
    return sensorsFile;
  }

  start(): void {
    const { coapTarget } = this.#target;
    const where = ["--target", coapTarget, "--out", this.#sentFile];
    this.#simulator = this.#target.startSimulator(["run", this.#scenarioFile, "--seed", SEED, ...where, "--json"]);
  }

  /** Whether sensors are still sending: a fault without load proves little. */
  get running(): boolean {
    return this.#simulator?.running === true;
  }

  /** Waits until the sensors are through; throws when an answer was wrong. Returns what the simulator says. */
  async finished(): Promise<SimulatorSummary> {
    const { code, output } = await this.#simulator!.finished;
    if (code !== 0) throw new Error(`the simulator ended with ${code}: ${output.slice(-2000)}`);
    return JSON.parse(output.split("\n").findLast((line) => line.startsWith("{"))!) as SimulatorSummary;
  }

  /** Joins what was sent with the collector's log, which stays in `logFile`. */
  async verify(): Promise<VerifyReport & { readonly logFile: string }> {
    const logFile = join(this.#target.directory, "log.ndjson");
    await this.#target.writeCollectorLog(logFile);
    const report = await sim(["verify", "--sent", this.#sentFile, "--log", logFile, "--json"]);
    return { ...(JSON.parse(report) as VerifyReport), logFile };
  }

  get #scenarioFile(): string {
    return join(this.#target.directory, "scenario.json");
  }

  get #sentFile(): string {
    return join(this.#target.directory, "sent.ndjson");
  }
}

export interface SimulatorSummary {
  readonly frames: number;
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly wrongAnswers: number;
  readonly behindMaxMs: number;
}

/** Exit code 1 of `verify` is a verdict, which the report holds as well. */
function sim(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [PROGRAMS.sim, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error !== null && error.code !== 1) reject(new Error(`sim ${args[0]}: ${stderr}`, { cause: error }));
      else resolve(stdout);
    });
  });
}
