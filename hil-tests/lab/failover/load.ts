import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyReport } from "@paddock/sensor-sim/verify/report.ts";
import { PROGRAMS } from "./program.ts";
import type { Simulator, Target } from "./target.ts";

/** Sensors that wait for the answer to each frame, and retransmit until it comes. */
export interface LoadOptions {
  readonly framesPerS: number;
  /** Frames in the alarm lane, besides. */
  readonly alarmsPerS: number;
  /** Keyed sensors number their frames, so that a gateway which lost its memory still knows a copy. */
  readonly keyed: boolean;
}

const SEED = "1";
const SENSORS_PER_FRAME_RATE = 0.2;
/** Longer than any scenario: the load ends when it is told to. */
const DURATION = "20min";

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
    const { framesPerS, alarmsPerS, keyed } = this.#options;
    const fleets = [
      fleet("telemetry", framesPerS, keyed),
      ...(alarmsPerS > 0 ? [fleet("alarm", alarmsPerS, keyed)] : []),
    ];
    const scenario = { "paddock-scenario": 1, name: "load", duration: DURATION, fleets };
    await writeFile(this.#scenarioFile, JSON.stringify(scenario));
    if (!keyed) return undefined;
    const sensorsFile = join(this.#target.directory, "sensors.json");
    await sim(["keys", this.#scenarioFile, "--seed", SEED, "--out", sensorsFile]);
    return sensorsFile;
  }

  start(): void {
    const { coapTarget } = this.#target;
    const where = ["--target", coapTarget, "--out", this.sentFile];
    this.#simulator = this.#target.startSimulator(["run", this.#scenarioFile, "--seed", SEED, ...where, "--json"]);
  }

  /** Whether sensors are still sending: a fault without load proves little. */
  get running(): boolean {
    return this.#simulator?.running === true;
  }

  /** Ends the load and sees the last frames through; throws when an answer was wrong. Returns what the simulator says. */
  async finish(): Promise<SimulatorSummary> {
    this.#simulator!.stop();
    const { code, output } = await this.#simulator!.finished;
    const said = output.split("\n").findLast((line) => line.startsWith("{"));
    const summary = said === undefined ? undefined : (JSON.parse(said) as SimulatorSummary);
    // Being told to end counts as an interruption, with exit code 1.
    if (code !== 1 || summary?.interrupted !== true || summary.wrongAnswers !== 0) {
      throw new Error(`the simulator ended with ${code}: ${output.slice(-2000)}`);
    }
    return summary;
  }

  /** Joins what was sent with the collector's log, which stays in `logFile`. */
  async verify(): Promise<VerifyReport & { readonly logFile: string }> {
    const logFile = join(this.#target.directory, "log.ndjson");
    await this.#target.writeCollectorLog(logFile);
    // Told to end, the sensors leave some frames without an answer; steps that demand one for each look at the summary.
    const allowed = ["--allow-unconfirmed", "any"];
    const report = await sim(["verify", "--sent", this.sentFile, "--log", logFile, "--json", ...allowed]);
    return { ...(JSON.parse(report) as VerifyReport), logFile };
  }

  /** The sent ledger: whole when the load has ended. */
  get sentFile(): string {
    return join(this.#target.directory, "sent.ndjson");
  }

  get #scenarioFile(): string {
    return join(this.#target.directory, "scenario.json");
  }
}

function fleet(lane: "telemetry" | "alarm", framesPerS: number, keyed: boolean) {
  const count = Math.max(1, Math.round(framesPerS * SENSORS_PER_FRAME_RATE));
  const cadenceMs = Math.round((count / framesPerS) * 1000);
  return {
    name: lane,
    count,
    cadence: `${cadenceMs}ms`,
    jitter: "20ms",
    message: "con",
    lane,
    keyed,
    model: { kind: "sine", name: "temperature", unit: "Cel", mean: 14, amplitude: 6, period: "10min", noise: 0.1 },
  };
}

export interface SimulatorSummary {
  readonly frames: number;
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly wrongAnswers: number;
  readonly behindMaxMs: number;
  readonly interrupted: boolean;
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
