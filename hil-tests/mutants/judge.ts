import type { Mutant } from "./mutants-of.ts";

export interface Verdict {
  readonly mutant: Mutant;
  /** Killed and timeout are confirmed ends; a failure that did not come again is chance, and the mutant survived. */
  readonly end: "killed" | "timeout" | "survived";
  /** The test that failed and what it said; of a survivor: what failed once, by chance. */
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

/** A part of a whole (0 to 1), with its interval of 95 %. */
export interface Rate {
  readonly part: number;
  readonly low: number;
  readonly high: number;
}

export interface Judgement {
  readonly tried: number;
  readonly dead: number;
  /** The part of all mutants of these files that would die: each file counts by its mutants, not by its sample. */
  readonly rate: Rate | undefined;
  /** Each reason for which the run fails, to be read by a person; empty: it holds. */
  readonly faults: readonly string[];
}

/**
 * Whether a run holds: at least `partMin` (0 to 1) of all mutants die, each file weighed by how many it has, and something was
 * tried at all.
 */
export function judge(results: readonly FileResult[], partMin: number): Judgement {
  const verdicts = results.flatMap((result) => result.verdicts);
  const dead = verdicts.filter(isDead).length;
  const rate = rateOf(results);
  const faults = results.flatMap(({ file, red }) =>
    red === undefined ? [] : [`${file}: red without a mutant: ${red}`],
  );
  if (rate === undefined) faults.push("no mutant was tried: this run says nothing");
  else if (rate.part < partMin) faults.push(`${percent(rate.part)} of the mutants die, fewer than ${100 * partMin} %`);
  return { tried: verdicts.length, dead, rate, faults };
}

/** What several runs found, as of one: each file with all that was asked of it. `mutantsIn` says how many a file has. */
export function pooled(verdicts: readonly Verdict[], mutantsIn: (file: string) => number): FileResult[] {
  const byFile = Map.groupBy(verdicts, ({ mutant }) => mutant.file);
  return [...byFile].map(([file, asked]) => ({ file, mutants: mutantsIn(file), verdicts: asked }));
}

/** `12.3 %`. */
export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

function isDead({ end }: Verdict): boolean {
  return end !== "survived";
}

/**
 * The weighted part, and Wilson's interval around it for as many tries as the weights leave of the sample (Kish: a file with
 * many mutants and a small sample makes it wider). Files of which nothing was tried are no part of it.
 */
function rateOf(results: readonly FileResult[]): Rate | undefined {
  const tried = results.filter(({ verdicts }) => verdicts.length > 0);
  if (tried.length === 0) return undefined;
  const all = tried.reduce((sum, { mutants }) => sum + mutants, 0);
  let part = 0;
  let inverse = 0;
  for (const { mutants, verdicts } of tried) {
    const weight = mutants / all;
    part += (weight * verdicts.filter(isDead).length) / verdicts.length;
    inverse += weight ** 2 / verdicts.length;
  }
  const zz = 1.96 ** 2 * inverse;
  const middle = (part + zz / 2) / (1 + zz);
  const half = Math.sqrt(zz * part * (1 - part) + zz ** 2 / 4) / (1 + zz);
  return { part, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
