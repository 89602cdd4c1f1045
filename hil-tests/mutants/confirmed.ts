import type { Outcome } from "./host-process.ts";
import type { Verdict } from "./judge.ts";
import type { Mutant } from "./mutants-of.ts";
import type { Question } from "./vitest-host.ts";

/** Runs tests with a mutant or without, for at most `limitMs`. */
export type Ask = (question: Question, limitMs: number) => Promise<Outcome>;

/** A run that hung is the mutant's doing when the same tests take at most this part of the limit without it. */
const BASELINE_PART_MAX = 0.25;
/** How vitest and our own waits say that something did not come in time. */
const WAITED_IN_VAIN = /timed? ?out|within|in time|gave up/iu;

/**
 * The end of a mutant, believed only when it comes twice: a failure must come again from the same test file alone, and a wait in
 * vain, of the whole or of one test, must not come from the unmutated code at the same hour. A busy machine kills no mutant.
 */
export async function confirmed(mutant: Mutant, tests: readonly string[], limitMs: number, ask: Ask): Promise<Verdict> {
  const begin = Date.now();
  const verdict = (end: Verdict["end"], by?: string): Verdict => ({
    mutant,
    end,
    ...(by !== undefined && { by }),
    tookMs: Date.now() - begin,
  });
  const first = await ask({ mutant, tests }, limitMs);
  if (typeof first !== "string" && first.passed) return verdict("survived");
  const { failed, failedTest } = typeof first === "string" ? {} : first;
  const why = textOf(first);
  const waited = WAITED_IN_VAIN.test(why);
  // Who waits in vain does so for long: only that test is asked again, with the mutant and without.
  const again = {
    tests: failed === undefined ? tests : [failed],
    ...(waited && failedTest !== undefined && { only: failedTest }),
  };
  if (first !== "timeout") {
    const second = await ask({ mutant, ...again }, limitMs);
    if (typeof second !== "string" && second.passed) {
      // Its failure ended the run before the tests behind it were asked.
      const behind = failed === undefined ? [] : tests.slice(tests.indexOf(failed) + 1);
      if (behind.length > 0) return confirmed(mutant, behind, limitMs, ask);
      return verdict("survived", `once, by chance: ${why}`);
    }
    const fails = typeof second === "string" ? second === "crash" : !WAITED_IN_VAIN.test(textOf(second));
    if (fails && !waited) return verdict("killed", why);
  }
  const asked = Date.now();
  const baseline = await ask({ mutant: undefined, ...again }, limitMs);
  const holds = typeof baseline !== "string" && baseline.passed;
  if (!holds || Date.now() - asked > BASELINE_PART_MAX * limitMs) {
    return verdict("survived", `also without the mutant, or nearly: ${why}`);
  }
  return first === "timeout" ? verdict("timeout") : verdict("killed", why);
}

function textOf(outcome: Outcome): string {
  if (typeof outcome === "string") return outcome === "crash" ? "the test process ended" : "timeout";
  return outcome.failure ?? "";
}
