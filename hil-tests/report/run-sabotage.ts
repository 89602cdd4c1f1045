import type { PlannedScenario } from "../lab/failover/gherkin/plan.ts";
import { NEVER_HAPPENED } from "../lab/failover/happened.ts";
import { SABOTAGE_VARIABLE } from "../lab/failover/variables.ts";
import type { Verdict } from "./verdicts.ts";

/** A fault, and the names of the scenarios that live by it. */
export interface Sabotage {
  readonly fault: string;
  readonly scenarios: readonly string[];
}

/** Which scenarios have to notice that a fault is missing; only those whose name matches `only`. */
export function sabotages(scenarios: readonly PlannedScenario<never>[], only?: string): Sabotage[] {
  const wanted = scenarios.filter(({ scenario }) => only === undefined || new RegExp(only, "u").test(scenario.name));
  const pairs = wanted.flatMap(({ scenario, actions }) =>
    [...new Set(actions.flatMap(({ faults }) => faults))].map((fault) => ({ fault, name: scenario.name })),
  );
  return [...Map.groupBy(pairs, ({ fault }) => fault)].map(([fault, rows]) => ({
    fault,
    scenarios: rows.map(({ name }) => name),
  }));
}

/**
 * Runs every scenario once for each of its faults, with that fault not done. It passes when the scenario fails, and says
 * that the fault never happened; `runLab` runs scenarios whose name matches the pattern.
 */
export async function runSabotage(
  plan: readonly Sabotage[],
  runLab: (pattern: RegExp, fault: string) => Promise<Verdict[]>,
  interrupted: () => boolean = () => false,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const { fault, scenarios } of plan) {
    if (interrupted()) break;
    process.stdout.write(`\nWithout ${fault}, each of these has to fail:\n`);
    process.env[SABOTAGE_VARIABLE] = fault;
    const names = scenarios.map(literally).join("|");
    const seen = await runLab(new RegExp(`^(?:${names})$`, "u"), fault);
    verdicts.push(...scenarios.map((name) => judge(fault, name, seen)));
  }
  delete process.env[SABOTAGE_VARIABLE];
  return verdicts;
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/gu, "\\$&");
}

function judge(fault: string, name: string, seen: readonly Verdict[]): Verdict {
  const verdict = seen.find((one) => one.name === name);
  const { ring, file, durationMs, story } = verdict ?? { ring: "lab/failover", file: "", durationMs: 0, story: null };
  const failure = complaint(verdict);
  return { ring, file, name: `without ${fault}: ${name}`, passed: failure === null, durationMs, failure, story };
}

function complaint(verdict: Verdict | undefined): string | null {
  if (verdict === undefined) return "it was not run";
  if (verdict.passed) return "it stayed green although the fault never happened";
  if (verdict.failure?.includes(NEVER_HAPPENED) === true) return null;
  return `it failed, and not because the fault never happened: ${verdict.failure ?? "no reason"}`;
}
