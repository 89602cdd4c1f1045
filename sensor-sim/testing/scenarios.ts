import { parseScenario } from "../scenario/load.ts";
import type { Scenario } from "../scenario/schema.ts";

/** A scenario of one fleet for tests; `fleet` overrides a fleet of two constant sensors at 100 ms. */
export function scenarioOf(fleet: Record<string, unknown>, more: Record<string, unknown> = {}): Scenario {
  return parseScenario(
    {
      "paddock-scenario": 1,
      name: "test",
      duration: "1s",
      fleets: [
        {
          name: "unit",
          count: 2,
          cadence: "100ms",
          model: { kind: "constant", name: "level", unit: "m", value: 1.25 },
          ...fleet,
        },
      ],
      ...more,
    },
    "The test scenario",
  );
}
