import type { Mutant } from "./mutants-of.ts";

export interface Verdict {
  readonly mutant: Mutant;
  readonly end: "killed" | "timeout" | "survived";
  /** The test that failed and what it said. */
  readonly by?: string;
  /** How long it took to see, in ms. */
  readonly tookMs: number;
}

export interface FileResult {
  readonly file: string;
  /** How many mutants the file has; `verdicts` are those of the sample. */
  readonly mutants: number;
  readonly verdicts: readonly Verdict[];
  /** Why nothing was tried: a test that fails without any mutant says nothing about one. */
  readonly red?: string;
}

export interface Judgement {
  readonly tried: number;
  readonly dead: number;
  /** Each reason for which the run fails, to be read by a person; empty: it holds. */
  readonly faults: readonly string[];
}

/**
 * Whether a run holds: at least `partMin` (0 to 1) of all tried mutants are dead, and something was tried at all.
 */
export function judge(results: readonly FileResult[], partMin: number): Judgement {
  const verdicts = results.flatMap((result) => result.verdicts);
  const dead = verdicts.filter((verdict) => verdict.end !== "survived").length;
  const faults = results.flatMap(({ file, red }) =>
    red === undefined ? [] : [`${file}: red without a mutant: ${red}`],
  );
  if (verdicts.length === 0) faults.push("no mutant was tried: this run says nothing");
  else if (dead < partMin * verdicts.length) {
    const part = (100 * dead) / verdicts.length;
    faults.push(`${dead} of ${verdicts.length} mutants died (${part.toFixed(1)} %), fewer than ${100 * partMin} %`);
  }
  return { tried: verdicts.length, dead, faults };
}
