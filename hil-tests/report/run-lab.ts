import { glob, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { FEATURES_VARIABLE } from "../lab/failover/variables.ts";
import { STORY_FILE_VARIABLE, type Story } from "../lab/story.ts";
import type { Verdict } from "./verdicts.ts";

const ROOM = dirname(import.meta.dirname);
/** Runs the .feature files. */
export const SCENARIO_RUNNER = join(ROOM, "lab/failover/scenarios.lab.test.ts");

/** What of the lab is to be run. */
export interface LabFiles {
  readonly tests: readonly string[];
  /** Scenarios in plain words; when there are some, `tests` has what runs them. */
  readonly features: readonly string[];
}

/** The lab's test files and scenarios whose path contains one of `words`; all of them without words. */
export async function labFiles(words: readonly string[]): Promise<LabFiles> {
  const chosen = async (pattern: string): Promise<string[]> => {
    const files: string[] = [];
    for await (const file of glob(pattern, { cwd: ROOM })) files.push(file);
    return files.filter((file) => words.length === 0 || words.some((word) => file.includes(word))).toSorted();
  };
  const features = await chosen("lab/failover/scenarios/*.feature");
  const others = (await chosen("lab/**/*.lab.test.ts")).filter((file) => join(ROOM, file) !== SCENARIO_RUNNER);
  const tests = others.map((file) => join(ROOM, file));
  if (features.length > 0) tests.push(SCENARIO_RUNNER);
  return { tests: tests.toSorted(), features: features.map((file) => join(ROOM, file)) };
}

/** Runs these files one after the other, each in a process of its own, because they share the machine's interfaces. */
export async function runLab(
  { tests, features }: LabFiles,
  storyFile: string,
  only?: string | RegExp,
): Promise<Verdict[]> {
  process.env[STORY_FILE_VARIABLE] = storyFile;
  process.env[FEATURES_VARIABLE] = features.join(",");
  const verdicts: Omit<Verdict, "story">[] = [];
  const interrupt = new AbortController();
  // The test processes take their namespaces down when they are told to end.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  const stream = run({
    files: [...tests],
    signal: interrupt.signal,
    concurrency: 1,
    ...(only === undefined ? {} : { testNamePatterns: [only] }),
  });
  const take = (data: TestResult, passed: boolean): void => {
    if (data.details.type === "suite" || data.skip !== undefined) return;
    // A file in which no name matched passes under its own path, having run nothing.
    if (passed && tests.includes(data.name)) return;
    const file = relative(ROOM, data.file ?? data.name);
    const failure = passed ? null : explain(data.details.error);
    const { duration_ms: durationMs } = data.details;
    verdicts.push({ ring: dirname(file), file, name: data.name, passed, durationMs, failure });
  };
  stream.on("test:pass", (data) => take(data, true));
  stream.on("test:fail", (data) => take(data, false));
  const shown = stream.compose(spec);
  shown.pipe(process.stdout, { end: false });
  await finished(shown);
  const stories = await storiesOf(storyFile);
  return verdicts.map((verdict) => {
    const story = stories.find(({ scenario }) => scenario === verdict.name) ?? null;
    return Object.assign(verdict, { file: story?.source?.file ?? verdict.file, story });
  });
}

interface TestResult {
  readonly name: string;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly details: { readonly duration_ms: number; readonly type?: string; readonly error?: Error };
}

function explain(error: Error | undefined): string {
  const cause = error?.cause;
  const worst = cause instanceof Error ? cause : error;
  return worst?.stack ?? JSON.stringify(cause ?? "failed without an error");
}

async function storiesOf(file: string): Promise<Story[]> {
  try {
    const text = await readFile(file, "utf8");
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Story);
  } catch {
    return [];
  }
}
