import { readFeature, type Scenario, type ScenarioStep } from "./feature.ts";
import type { Meaning, Vocabulary } from "./vocabulary.ts";

export interface PlannedScenario<World> {
  readonly scenario: Scenario;
  readonly actions: readonly (Meaning<World> & { readonly step: ScenarioStep })[];
}

/**
 * Understands every step of every file before anything is run. Throws with all that is wrong, each with its file and
 * line: steps that nobody knows, and names that two scenarios share, as the report tells scenarios apart by name.
 */
export function planScenarios<World>(
  files: readonly { readonly file: string; readonly text: string }[],
  vocabulary: Vocabulary<World>,
): PlannedScenario<World>[] {
  const problems: string[] = [];
  const names = new Map<string, Scenario>();
  const planned = files.flatMap(({ file, text }) => {
    try {
      return readFeature(text, file).map((scenario) => {
        const namesake = names.get(scenario.name);
        const where = `${file}:${scenario.line}`;
        if (namesake !== undefined) {
          problems.push(
            `${where}: "${scenario.name}" is the name of the scenario at ${namesake.file}:${namesake.line} too`,
          );
        }
        names.set(scenario.name, scenario);
        if (scenario.steps.length === 0) problems.push(`${where}: "${scenario.name}" has no steps`);
        problems.push(...disguisedSteps(scenario, vocabulary).map((problem) => `${where}: ${problem}`));
        const actions = scenario.steps.flatMap((step) => {
          try {
            return [{ step, ...vocabulary.meaningOf(step.text) }];
          } catch (error) {
            problems.push(`${file}:${step.line}: ${(error as Error).message}`);
            return [];
          }
        });
        return { scenario, actions };
      });
    } catch (error) {
      problems.push((error as Error).message);
      return [];
    }
  });
  if (problems.length > 0) throw new Error([...new Set(problems)].join("\n"));
  return planned;
}

/** Gherkin takes a line in front of the first step for free words when its keyword is misspelt. */
function disguisedSteps<World>({ description }: Scenario, vocabulary: Vocabulary<World>): string[] {
  return description
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => vocabulary.knows(line.replace(/^\S+\s+/u, "")))
    .map((line) => `"${line}" begins with none of Given, When, Then, And, But`);
}

/** Runs the steps in order, telling each before it. Throws with file, line and words of the step that failed. */
export async function perform<World>(
  { scenario, actions }: PlannedScenario<World>,
  world: World,
  tell: (step: ScenarioStep) => void = () => {},
): Promise<void> {
  for (const { step, run } of actions) {
    tell(step);
    try {
      await run(world);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${scenario.file}:${step.line}: ${step.keyword} ${step.text}\n${why}`, { cause: error });
    }
  }
}
