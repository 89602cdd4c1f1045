import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseConfig, readConfigFile } from "@paddock/base/config.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { scenarioSchema, type Scenario } from "./schema.ts";

/** Checks a scenario document and fills in its defaults. Throws SCENARIO_INVALID that names every field at fault. */
export function parseScenario(document: unknown, what: string): Scenario {
  try {
    return parseConfig(scenarioSchema, document, what);
  } catch (error) {
    throw asScenarioError(error);
  }
}

/** Reads a scenario; `sha256` is the hex hash of the file, which goes into the sent ledger. */
export async function readScenario(path: string): Promise<{ scenario: Scenario; sha256: string }> {
  try {
    const scenario = await readConfigFile(scenarioSchema, path, { namedBy: "SCENARIO" });
    return {
      scenario,
      sha256: createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    };
  } catch (error) {
    throw asScenarioError(error);
  }
}

function asScenarioError(error: unknown): unknown {
  if (!(error instanceof PaddockError) || error.code !== "CONFIG_INVALID") return error;
  return new PaddockError("SCENARIO_INVALID", error.message, { cause: error });
}
