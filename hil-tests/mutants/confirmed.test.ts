import { expect, test } from "vitest";
import { confirmed } from "./confirmed.ts";
import type { Outcome } from "./host-process.ts";
import { mutantsOf } from "./mutants-of.ts";
import type { Question } from "./vitest-host.ts";

const [mutant] = mutantsOf("a.ts", "const c = !a;");
const TESTS = ["a.test.ts", "b.test.ts"];
const FAILED: Outcome = { passed: false, failure: "b.test.ts: is not 1", failed: "b.test.ts" };
const WAITED: Outcome = {
  passed: false,
  failure: "b.test.ts: waits: Test timed out in 15000ms",
  failed: "b.test.ts",
  failedTest: "waits",
};
const PASSED: Outcome = { passed: true };

/** The end after these outcomes, and what was asked for them. */
async function endAfter(...outcomes: Outcome[]): Promise<{ end: string; asked: Question[] }> {
  const asked: Question[] = [];
  const ask = (question: Question): Promise<Outcome> => {
    asked.push(question);
    return Promise.resolve(outcomes.shift()!);
  };
  const { end } = await confirmed(mutant!, TESTS, 10_000, ask);
  expect(outcomes).toEqual([]);
  return { end, asked };
}

test("a failure counts when it comes again from its test file alone", async () => {
  const { end, asked } = await endAfter(FAILED, FAILED);
  expect(end).toBe("killed");
  expect(asked.map(({ tests }) => tests)).toEqual([TESTS, ["b.test.ts"]]);
});

test("a failure that does not come again is chance, and the mutant lives", async () => {
  expect(await endAfter(FAILED, PASSED)).toMatchObject({ end: "survived" });
  expect(await endAfter("crash", PASSED)).toMatchObject({ end: "survived" });
});

test("a test that fails by chance does not keep a mutant from those behind it", async () => {
  const early: Outcome = { ...FAILED, failed: "a.test.ts" };
  const { end, asked } = await endAfter(early, PASSED, FAILED, FAILED);
  expect(end).toBe("killed");
  expect(asked.map(({ tests }) => tests)).toEqual([TESTS, ["a.test.ts"], ["b.test.ts"], ["b.test.ts"]]);
  expect(await endAfter(early, PASSED, PASSED)).toMatchObject({ end: "survived" });
});

test("who waits in vain must not do so without the mutant", async () => {
  const { end, asked } = await endAfter(WAITED, WAITED, PASSED);
  expect(end).toBe("killed");
  expect(asked.slice(1)).toEqual([
    { mutant, tests: ["b.test.ts"], only: "waits" },
    { mutant: undefined, tests: ["b.test.ts"], only: "waits" },
  ]);
  expect(await endAfter(WAITED, WAITED, WAITED)).toMatchObject({ end: "survived" });
  // Alone it may fail for want of the tests before it.
  expect(await endAfter(WAITED, FAILED, FAILED)).toMatchObject({ end: "survived" });
});

test("a run beyond its limit is dead only when the tests are far from it without the mutant", async () => {
  expect(await endAfter("timeout", PASSED)).toMatchObject({ end: "timeout" });
  expect(await endAfter("timeout", "timeout")).toMatchObject({ end: "survived" });
  expect(await endAfter("timeout", FAILED)).toMatchObject({ end: "survived" });
});

test("a mutant that no test notices is asked once", async () => {
  expect(await endAfter(PASSED)).toMatchObject({ end: "survived" });
});
