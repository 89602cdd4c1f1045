import { formatDuration } from "@paddock/base/duration.ts";
import { loadMotes, MOTE_ATTRIBUTION } from "../plan/motes.ts";
import { makePlan } from "../plan/plan.ts";
import { traceHash, traceOf } from "../plan/trace.ts";
import { readScenario } from "../scenario/load.ts";
import type { Scenario } from "../scenario/schema.ts";
import { runScenario, type RunProgress, type RunResult } from "../send/run.ts";
import {
  parseCountOrAny,
  parseDuration,
  parseSeed,
  parseTarget,
  parseWhole,
  readArguments,
  scenarioPath,
  usage,
} from "./arguments.ts";

/**
 * `sim run`: 0 when every answer was right and every good frame that wanted one got it; 1 when a good frame was refused
 * or not answered, a bad one taken, or the run interrupted.
 */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    seed: { type: "string" },
    target: { type: "string", default: "[::1]:5683" },
    out: { type: "string" },
    duration: { type: "string" },
    clock: { type: "string" },
    speed: { type: "string", default: "1" },
    sockets: { type: "string", default: "256" },
    window: { type: "string", default: "16384" },
    drain: { type: "string", default: "100s" },
    "allow-unanswered": { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  });
  const seed = parseSeed(values.seed);
  const unansweredMax = parseCountOrAny(values["allow-unanswered"], "--allow-unanswered");
  if (values.out === undefined)
    throw usage("--out is missing; it names the file that says what was sent, such as --out sent.ndjson.");
  const target = parseTarget(values.target, "--target");
  if (target.port === 0) throw usage("--target needs the port at which the gateway listens.");
  const { scenario, sha256 } = await readScenario(scenarioPath(positionals));
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(1);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  if (usesMotes(scenario)) process.stderr.write(`${MOTE_ATTRIBUTION}\n`);
  const result = await runScenario({
    scenario,
    scenarioSha256: sha256,
    seed,
    target,
    out: values.out,
    speed: parseSpeed(values.speed),
    sockets: parseWhole(values.sockets, "--sockets", 1, 60_000),
    window: parseWhole(values.window, "--window", 1, 10_000_000),
    drainMs: parseDuration(values.drain, "--drain"),
    signal: interrupt.signal,
    ...(values.duration === undefined ? {} : { durationMs: parseDuration(values.duration, "--duration") }),
    ...parseClock(values.clock),
    onProgress: (progress) => process.stderr.write(formatProgress(progress)),
  });
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ scenario: scenario.name, seed, ...result })}\n`
      : formatResult(scenario.name, seed, result, unansweredMax),
  );
  return result.wrongAnswers > 0 || result.unanswered > unansweredMax || result.interrupted ? 1 : 0;
}

/** `sim trace`: what a run would send, as one hash. */
export async function traceCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    seed: { type: "string" },
    duration: { type: "string" },
    clock: { type: "string" },
  });
  const seed = parseSeed(values.seed);
  const { scenario } = await readScenario(scenarioPath(positionals));
  const plan = makePlan({
    scenario,
    seed,
    motes: usesMotes(scenario) ? await loadMotes() : [],
    ...(values.duration === undefined ? {} : { durationMs: parseDuration(values.duration, "--duration") }),
    ...parseClock(values.clock),
  });
  process.stdout.write(`${traceHash(traceOf(plan.frames))}\n`);
  return 0;
}

function usesMotes(scenario: Scenario): boolean {
  return scenario.fleets.some(({ model }) => model.kind === "mote-replay");
}

function parseSpeed(text: string): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  const speed = Number(text);
  if (!(speed > 0) || !Number.isFinite(speed)) throw usage(`--speed ${text} is neither a number above zero nor max.`);
  return speed;
}

function parseClock(text: string | undefined): { clockMs?: number } {
  if (text === undefined) return {};
  const clockMs = text === "now" ? Date.now() : Date.parse(text);
  if (Number.isNaN(clockMs)) throw usage(`--clock ${text} is not a time; write now, or such as 2026-01-01T00:00:00Z.`);
  return { clockMs };
}

function formatProgress({ frames, inFlight, elapsedMs, behindMs }: RunProgress): string {
  const behind = behindMs < 100 ? "" : `, ${formatDuration(behindMs)} behind the plan`;
  return `${formatDuration(elapsedMs)}: ${frames} frames were due, ${inFlight} wait for their turn or their answer${behind}\n`;
}

function formatResult(name: string, seed: number, result: RunResult, unansweredMax: number): string {
  const rate = Math.round(result.frames / Math.max(0.001, result.seconds));
  return [
    verdictOf(result, unansweredMax),
    `  ${name}, seed ${seed}: ${result.frames} frames in ${formatDuration(result.seconds * 1000)} (${rate}/s), ${result.datagrams} datagrams`,
    `  outcomes: ${list(result.outcomes)}`,
    `  frames:   ${list(result.kinds)}`,
    ...(result.sendErrors > 0 ? [`  ${result.sendErrors} datagrams met a closed port or a full buffer`] : []),
    "",
  ].join("\n");
}

function verdictOf(result: RunResult, unansweredMax: number): string {
  const { wrongAnswers, unanswered, outcomes, interrupted } = result;
  const acknowledged = outcomes["acknowledged"] ?? 0;
  if (wrongAnswers > 0) return `${wrongAnswers} answers were wrong: good frames refused, or bad ones acknowledged.`;
  if (interrupted) return "Interrupted.";
  if (unanswered > 0 && acknowledged === 0) {
    return `No good frame was acknowledged, and ${unanswered} had no answer at all: check --target, and that a gateway listens there.`;
  }
  if (unanswered > unansweredMax) {
    return `${unanswered} good frames had no answer; every answer that came was right. Where the network may lose them, --allow-unanswered says how many.`;
  }
  if (unanswered > 0) return `Every answer that came was right; ${unanswered} good frames had none.`;
  if (acknowledged === 0)
    return "No frame was acknowledged, as none asked for it or all were refused; only the log can tell.";
  return "Every answer was right.";
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ");
}
