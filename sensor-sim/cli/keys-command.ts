import { writeFile } from "node:fs/promises";
import { sensorId } from "../plan/plan.ts";
import { sensorKeyBytes } from "../plan/sensor-key.ts";
import { readScenario } from "../scenario/load.ts";
import type { Scenario } from "../scenario/schema.ts";
import { parseSeed, readArguments, scenarioPath } from "./arguments.ts";

/** `sim keys`: the gateway's sensors file for the keyed fleets of a scenario. */
export async function keysCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    seed: { type: "string" },
    out: { type: "string", default: "-" },
  });
  const seed = parseSeed(values.seed);
  const { scenario } = await readScenario(scenarioPath(positionals));
  const text = `${JSON.stringify(sensorsFile(scenario, seed), undefined, 2)}\n`;
  if (values.out === "-") process.stdout.write(text);
  else await writeFile(values.out, text, { mode: 0o600 });
  return 0;
}

/** What a gateway has to know of the keyed sensors: key, algorithm and lane. */
export function sensorsFile(scenario: Scenario, seed: number) {
  const sensors: Record<string, { key: string; alg: string; lane: string }> = {};
  for (const fleet of scenario.fleets) {
    if (!fleet.keyed) continue;
    for (let index = 0; index < fleet.count; index++) {
      const id = sensorId(fleet, index);
      sensors[id] = {
        key: sensorKeyBytes(seed, id).toString("hex"),
        alg: `HMAC 256/${fleet.tagBits}`,
        lane: fleet.lane,
      };
    }
  }
  return { sensors };
}
