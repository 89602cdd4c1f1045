import { join } from "node:path";
import { createVitest, type TestModule, type TestRunResult, type TestSpecification, type Vitest } from "vitest/node";
import { withMutant, type Mutant } from "./mutants-of.ts";

/**
 * A process of its own that holds a vitest and runs tests with a mutant or without: the mutant is put into the code while
 * vitest loads it, so that no file is ever written. Ended from outside when a mutant hangs.
 */

export interface Question {
  readonly mutant: Mutant | undefined;
  /** Test files from the root, in the order in which they are to run; the first that fails ends the run. */
  readonly tests: readonly string[];
  /** Only the test of this full name. */
  readonly only?: string;
}

export interface Answer {
  readonly passed: boolean;
  /** What failed first. */
  readonly failure?: string;
  /** The test file that failed, from the root. */
  readonly failed?: string;
  /** The full name of the test in it. */
  readonly failedTest?: string;
}

/** Of one test: a mutant that makes it wait for ever need not hold up all others for the usual half minute. */
const TEST_LIMIT_MS = 15_000;

const root = process.cwd();
let mutant: Mutant | undefined;

class GivenOrder {
  shard(specs: TestSpecification[]): TestSpecification[] {
    return specs;
  }
  sort(specs: TestSpecification[]): TestSpecification[] {
    return specs;
  }
}

const vitest: Vitest = await createVitest(
  {
    root,
    watch: false,
    reporters: [{}],
    silent: true,
    bail: 1,
    maxWorkers: 1,
    fileParallelism: false,
    // One process for the test files of one mutant, which end with the run: of what a mutant leaves behind the next one must
    // not die. A process for each file loads the same modules again, and costs most of the time.
    isolate: false,
    testTimeout: TEST_LIMIT_MS,
    hookTimeout: TEST_LIMIT_MS,
    // Remembered code would be code without the mutant.
    fsModuleCache: false,
    // A mutant that gathers without end is to end itself, not the machine.
    execArgv: ["--max-old-space-size=1024"],
    sequence: { sequencer: GivenOrder },
  },
  {
    plugins: [
      {
        name: "paddock-mutant",
        enforce: "pre",
        transform: (code, id) =>
          mutant !== undefined && id === join(root, mutant.file) ? withMutant(code, mutant) : undefined,
      },
    ],
  },
);
await vitest.standalone();

process.on("message", (question: Question) => {
  void run(question).then((answer) => process.send?.(answer));
});
process.once("disconnect", () => process.exit(0));
process.send?.("ready");

async function run(question: Question): Promise<Answer> {
  if (mutant !== undefined) vitest.invalidateFile(join(root, mutant.file));
  mutant = question.mutant;
  if (mutant !== undefined) vitest.invalidateFile(join(root, mutant.file));
  const project = vitest.getRootProject();
  const { only } = question;
  const options = only === undefined ? {} : { testNames: [only] };
  const specs = question.tests.map((test) => project.createSpecification(join(root, test), options));
  // The result names modules of earlier runs, too.
  vitest.state.filesMap.clear();
  return answerOf(await vitest.runTestSpecifications(specs));
}

function answerOf({ testModules, unhandledErrors }: TestRunResult): Answer {
  const failed = testModules.find((module) => module.state() === "failed");
  if (failed !== undefined) {
    const [test] = failed.children.allTests("failed");
    return {
      passed: false,
      failure: failureOf(failed),
      failed: failed.moduleId.slice(root.length + 1),
      ...(test !== undefined && { failedTest: test.fullName }),
    };
  }
  if (unhandledErrors.length > 0) return { passed: false, failure: `unhandled: ${String(unhandledErrors[0])}` };
  const ran = testModules.some((module) => [...module.children.allTests("passed")].length > 0);
  return ran ? { passed: true } : { passed: false, failure: "no test ran" };
}

function failureOf(module: TestModule): string {
  const name = module.moduleId.slice(root.length + 1);
  for (const test of module.children.allTests("failed")) {
    return `${name}: ${test.fullName}: ${test.result().errors?.[0]?.message.split("\n")[0] ?? ""}`.slice(0, 300);
  }
  return `${name}: ${module.errors()[0]?.message.split("\n")[0] ?? "failed"}`.slice(0, 300);
}
