import { Vocabulary, type StepDefinition } from "../gherkin/vocabulary.ts";
import type { World } from "../world.ts";
import { ADDRESS_STEPS } from "./addresses.ts";
import { CUT_STEPS } from "./cuts.ts";
import { FAULT_STEPS } from "./faults.ts";
import { INGRESS_STEPS } from "./ingress.ts";
import { LEDGER_STEPS } from "./ledger.ts";
import { PARAMETERS } from "./parameters.ts";
import { PROGRAM_STEPS } from "./programs.ts";
import { SETUP_STEPS } from "./setup.ts";
import { TRAFFIC_STEPS } from "./traffic.ts";
import { WATCHING_STEPS } from "./watching.ts";

/** In the order in which the README lists them. */
export const ALL_STEPS: readonly StepDefinition<World>[] = [
  ...SETUP_STEPS,
  ...FAULT_STEPS,
  ...ADDRESS_STEPS,
  ...PROGRAM_STEPS,
  ...INGRESS_STEPS,
  ...CUT_STEPS,
  ...TRAFFIC_STEPS,
  ...WATCHING_STEPS,
  ...LEDGER_STEPS,
];

export function vocabulary(steps = ALL_STEPS): Vocabulary<World> {
  return new Vocabulary(PARAMETERS, steps);
}
