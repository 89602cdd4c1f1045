import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { planScenarios, type PlannedScenario } from "./gherkin/plan.ts";
import { vocabulary } from "./steps/all-steps.ts";
import type { World } from "./world.ts";

const ROOM = resolve(import.meta.dirname, "../..");

/** The scenarios of these .feature files. Throws with everything in them that cannot be understood, line by line. */
export async function readScenarios(paths: readonly string[]): Promise<PlannedScenario<World>[]> {
  const files = await Promise.all(
    paths.map(async (path) => ({ file: relative(ROOM, path), text: await readFile(path, "utf8") })),
  );
  return planScenarios(files, vocabulary());
}
