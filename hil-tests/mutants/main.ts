import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { confirmed } from "./confirmed.ts";
import { DATA_PATH, DEAD_PART_MIN, filesOf } from "./data-path.ts";
import { DECISIONS, within } from "./decisions.ts";
import { HostProcess, type Outcome } from "./host-process.ts";
import { judge, percent, pooled, type FileResult, type Verdict } from "./judge.ts";
import { mutantsOf, sampleOf, type Mutant } from "./mutants-of.ts";
import { importGraph, sourcesOf, testsOf, type ImportGraph } from "./test-order.ts";

const USAGE = `usage: npm run mutants -- [FILE|FOLDER/]... [--sample N] [--seed TEXT] [--tests TEXT] [--out FILE]
       npm run mutants -- --decisions 2.04|sealed|trimmed|all [FILE]...
       npm run mutants -- --pool FILE [--pool FILE]...
Puts one small fault after the other into the code of the data path and asks whether a test of the room notices.
Without names the whole data path. --sample: mutants a file (10; "all": every one). The same seed chooses the same ones.
--decisions: every mutant of the functions that decide about 2.04, a sealed batch, a trimmed one (decisions.ts).
--tests: only test files with this in their path, or with one of several (a,b), for who writes one.
--out: a line of JSON for each mutant, hil-tests/results/mutants.jsonl without it.
--pool: what several runs wrote with --out, judged as one; nothing is tried.
Exit code 1: too few died, none was tried, or a test fails without any.`;
/** A mutant that hangs is one that is noticed; the floor is wide, because a busy machine is not a mutant. */
const LIMIT_MS = 40_000;

const root = join(import.meta.dirname, "../..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string", default: "10" },
    seed: { type: "string", default: "paddock" },
    tests: { type: "string", default: "" },
    decisions: { type: "string" },
    out: { type: "string", default: join(root, "hil-tests/results/mutants.jsonl") },
    pool: { type: "string", multiple: true, default: [] },
    help: { type: "boolean", short: "h", default: false },
  },
});
const { decisions } = values;
const size = values.sample === "all" || decisions !== undefined ? Infinity : Number(values.sample);
const deciding = DECISIONS.filter(({ verb }) => decisions === "all" || decisions === verb);
if (values.help || !(size >= 0) || (decisions !== undefined && deciding.length === 0)) {
  console.error(USAGE);
  process.exit(values.help ? 0 : 2);
}

if (values.pool.length > 0) {
  const lines = values.pool.flatMap((file) => readFileSync(file, "utf8").trimEnd().split("\n"));
  const verdicts = lines.map((line) => JSON.parse(line) as Verdict);
  report(pooled(verdicts, (file) => mutantsOf(file, readFileSync(join(root, file), "utf8")).length));
  process.exit();
}

const host = new HostProcess(root);
process.once("exit", () => host.stop());
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const all = sourcesOf(root);
const whole = decisions === undefined ? DATA_PATH : [...new Set(deciding.map(({ file }) => file))];
const files = filesOf(positionals.length === 0 ? whole : positionals, all);
const graph = importGraph(root, all);
/** How long each test file took without a mutant, in ms: they need to be green once, whoever asks. */
const green = new Map<string, number>();
const began = Date.now();
mkdirSync(dirname(values.out), { recursive: true });
writeFileSync(values.out, "");

const results: FileResult[] = [];
for (const file of files) {
  const result = await tryFile(file, graph);
  results.push(result);
  print(result);
}
host.stop();

const seconds = (Date.now() - began) / 1000;
const asked = results.reduce((sum, { verdicts }) => sum + verdicts.length, 0);
console.log(
  `\nseed ${values.seed}, ${values.sample} a file, ${files.length} files, ${(seconds / 60).toFixed(0)} min, ${(seconds / asked).toFixed(1)} s a mutant`,
);
report(results);

/** Prints what was found and sets the exit code. */
function report(found: readonly FileResult[]): void {
  const { tried, dead, rate, faults } = judge(found, DEAD_PART_MIN);
  console.log(`${dead} of ${tried} mutants died`);
  if (rate !== undefined) {
    console.log(`${percent(rate.part)} of all would (95 %: ${percent(rate.low)} to ${percent(rate.high)})`);
  }
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function tryFile(file: string, imports: ImportGraph): Promise<FileResult> {
  const mutants = askedOf(file);
  const sample = sampleOf(mutants, size, values.seed);
  const tests = testsOf(imports, file).filter((test) => values.tests.split(",").some((part) => test.includes(part)));
  const result = { file, mutants: mutants.length };
  if (sample.length === 0) return { ...result, verdicts: [] };
  const red = tests.length === 0 ? "no test of its room reaches it" : await firstRed(tests);
  if (red !== undefined) return { ...result, verdicts: [], red };
  const verdicts: Verdict[] = [];
  for (const mutant of sample) {
    const verdict = await confirmed(mutant, tests, limitOf(tests), (question, limitMs) => host.ask(question, limitMs));
    verdicts.push(verdict);
    appendFileSync(values.out, `${JSON.stringify(verdict)}\n`);
  }
  return { ...result, verdicts };
}

/** The mutants of a file, or those in its decisions. */
function askedOf(file: string): Mutant[] {
  const source = readFileSync(join(root, file), "utf8");
  const mutants = mutantsOf(file, source);
  if (decisions === undefined) return mutants;
  const names = deciding.filter((decision) => decision.file === file).map((decision) => decision.within);
  return within(mutants, source, names);
}

function limitOf(tests: readonly string[]): number {
  return LIMIT_MS + 3 * tests.reduce((sum, test) => sum + (green.get(test) ?? 0), 0);
}

/** The first test that fails without a mutant, twice: once alone is the load of the machine. */
async function firstRed(tests: readonly string[]): Promise<string | undefined> {
  for (const test of tests) {
    if (green.has(test)) continue;
    const begin = Date.now();
    const question = { mutant: undefined, tests: [test] };
    let outcome: Outcome = await host.ask(question, 5 * LIMIT_MS);
    if (typeof outcome === "string" || !outcome.passed) outcome = await host.ask(question, 5 * LIMIT_MS);
    if (typeof outcome === "string") return `${test}: ${outcome}`;
    if (!outcome.passed) return outcome.failure ?? test;
    green.set(test, Date.now() - begin);
  }
  return undefined;
}

function print({ file, mutants, verdicts, red }: FileResult): void {
  const survivors = verdicts.filter((verdict) => verdict.end === "survived");
  const figure =
    red === undefined ? `${verdicts.length - survivors.length} of ${verdicts.length} died` : "RED without a mutant";
  console.log(`${file}: ${figure} (${mutants} in the file)`);
  for (const { mutant } of survivors) {
    console.log(
      `  survived: ${mutant.file}:${mutant.line} ${mutant.operator}: ${mutant.original} -> ${mutant.text.slice(0, 60)}`,
    );
  }
}
