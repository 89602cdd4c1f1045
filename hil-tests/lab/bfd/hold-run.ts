import { GatewayLoad } from "./gateway-load.ts";
import { MachineStalls } from "./machine-stalls.ts";
import type { Priority } from "./priority.ts";
import { allUp, buildSideBySide, CANDIDATES, DETECT_MULT, endSideBySide, PACES } from "./side-by-side.ts";

/** Loading the gateway takes some time of its own. */
const LOAD_MARGIN_S = 120;

export interface HoldReport {
  readonly priority: string;
  readonly seconds: number;
  /** Times that the far end saw a session go from Up to Down. */
  readonly downs: readonly {
    readonly speaker: (typeof CANDIDATES)[number]["name"];
    readonly intervalMs: number;
    /** When, as the far end's log has it. */
    readonly downs: readonly string[];
    /** How long the candidate may stand still before the far end has to give up. */
    readonly budgetMs: number;
  }[];
  readonly machineWorstStallMs: number;
  readonly ourWorstStallMs: number;
  readonly load: { readonly framesPerS: number; readonly processorShare: number };
}

/** A line of FRR's log begins with the date and the time of day to the microsecond. */
function timeOf(line: string): string {
  return line.split(" ")[1]!;
}

/**
 * Keeps our speaker and FRR Up beside a gateway that takes all the load it can. Nothing is cut, so every Down is a false
 * one.
 */
export async function measureHold(options: { seconds: number; priority: Priority }): Promise<HoldReport> {
  const { seconds, priority } = options;
  const side = await buildSideBySide(priority);
  const machine = await MachineStalls.start();
  try {
    const load = await GatewayLoad.start(side.lab, seconds + LOAD_MARGIN_S);
    await allUp(side);
    machine.forget();
    const before = side.far.log().length;
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const falls = side.far
      .log()
      .slice(before)
      .split("\n")
      .filter((line) => line.includes("up -> down"));
    const { stalls } = await side.speaker.report();
    return {
      priority: side.prioritiser.words,
      seconds,
      downs: CANDIDATES.flatMap(({ name, prefix }) =>
        PACES.map(({ intervalMs, suffix }) => ({
          speaker: name,
          intervalMs,
          downs: falls.filter((line) => line.includes(`peer:${prefix}${suffix} `)).map(timeOf),
          budgetMs: (DETECT_MULT - 1) * intervalMs,
        })),
      ),
      machineWorstStallMs: machine.worstMs,
      ourWorstStallMs: stalls.worstMs,
      load: await load.sinceBegin(),
    };
  } finally {
    machine.stop();
    await endSideBySide(side);
  }
}
