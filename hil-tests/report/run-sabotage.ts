import type { PlannedScenario } from "../lab/failover/gherkin/plan.ts";
import { NEVER_HAPPENED } from "../lab/failover/happened.ts";
import { SABOTAGE_VARIABLE } from "../lab/failover/variables.ts";
import type { Verdict } from "./verdicts.ts";

/** A fault or a setting, and the names of the scenarios that live by it. */
export interface Sabotage {
  readonly fault: string;
  /** A setting is not seen to be missing: the scenario fails by what it was to bring about. */
  readonly isSetting: boolean;
  readonly scenarios: readonly string[];
}

/** Which scenarios have to notice that a fault is missing; only those whose name matches `only`. */
export function sabotages(scenarios: readonly PlannedScenario<never>[], only?: string): Sabotage[] {
  const wanted = scenarios.filter(({ scenario }) => only === undefined || new RegExp(only, "u").test(scenario.name));
  const settings = new Set(wanted.flatMap(({ actions }) => actions.flatMap((action) => action.settings)));
  const pairs = wanted.flatMap(({ scenario, actions }) =>
    [...new Set(actions.flatMap((action) => [...action.faults, ...action.settings]))].map((fault) => ({
      fault,
      name: scenario.name,
    })),
  );
  return [...Map.groupBy(pairs, ({ fault }) => fault)].map(([fault, rows]) => ({
    fault,
    isSetting: settings.has(fault),
    scenarios: rows.map(({ name }) => name),
  }));
}

/**
 * Runs every scenario once for each of its faults and settings, with that not done. It passes when the scenario fails, of
 * a fault by saying that it never happened; `runLab` runs scenarios whose name matches the pattern.
 */
export async function runSabotage(
  plan: readonly Sabotage[],
  runLab: (pattern: RegExp, fault: string) => Promise<Verdict[]>,
  interrupted: () => boolean = () => false,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const { fault, isSetting, scenarios } of plan) {
    if (interrupted()) break;
    process.stdout.write(`\nWithout ${fault}, each of these has to fail:\n`);
    process.env[SABOTAGE_VARIABLE] = fault;
    const names = scenarios.map(literally).join("|");
    const seen = await runLab(new RegExp(`^(?:${names})$`, "u"), fault);
    const why = isSetting ? FAILED_STEP : NEVER_HAPPENED_AT_ALL;
    verdicts.push(...scenarios.map((name) => judge(fault, name, seen, why)));
  }
  delete process.env[SABOTAGE_VARIABLE];
  return verdicts;
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/gu, "\\$&");
}

function judge(fault: string, name: string, seen: readonly Verdict[], why: RegExp): Verdict {
  const verdict = seen.find((one) => one.name === name);
  const { ring, file, durationMs, story } = verdict ?? { ring: "lab/failover", file: "", durationMs: 0, story: null };
  const failure = complaint(verdict, why);
  return { ring, file, name: `without ${fault}: ${name}`, passed: failure === null, durationMs, failure, story };
}

const NEVER_HAPPENED_AT_ALL = new RegExp(NEVER_HAPPENED, "u");
/** Behind the start of everything: what does not start proves nothing. */
const FAILED_STEP = /\.feature:\d+: (?!.*\bsensors send\b)/u;

function complaint(verdict: Verdict | undefined, why: RegExp): string | null {
  if (verdict === undefined) return "it was not run";
  if (verdict.passed) return "it stayed green although that never happened";
  if (why.test(verdict.failure ?? "")) return null;
  return `it failed, and for another reason: ${verdict.failure ?? "no reason"}`;
}
