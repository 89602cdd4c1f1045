import { join } from "node:path";
import { expect, test } from "vitest";
import { DATA_PATH, filesOf } from "./data-path.ts";
import { judge, pooled, type FileResult } from "./judge.ts";
import { mutantsOf } from "./mutants-of.ts";
import { sourcesOf } from "./test-order.ts";

const [mutant] = mutantsOf("a.ts", "const c = !a;");

function result(killed: number, survived: number): FileResult {
  const verdicts = [
    ...Array.from({ length: killed }, () => ({ mutant: mutant!, end: "killed" as const, tookMs: 1 })),
    ...Array.from({ length: survived }, () => ({ mutant: mutant!, end: "survived" as const, tookMs: 1 })),
  ];
  return { file: "a.ts", mutants: killed + survived, verdicts };
}

test("nine of ten hold, fewer do not", () => {
  expect(judge([result(8, 1), result(1, 0)], 0.9)).toMatchObject({ tried: 10, dead: 9, faults: [] });
  expect(judge([result(10, 0), result(7, 2)], 0.9).faults).toEqual(["89.5 % of the mutants die, fewer than 90 %"]);
});

test("a file counts by its mutants, not by its sample, and a small sample says little", () => {
  const small = { ...result(2, 2), mutants: 10 };
  const large = { ...result(4, 0), mutants: 90 };
  const { part, low, high } = judge([small, large], 0.9).rate!;
  expect(part).toBeCloseTo(0.95, 10);
  expect(low).toBeLessThan(0.7);
  expect(high).toBeGreaterThan(0.95);
  expect(judge([{ ...large, ...result(400, 0) }], 0.9).rate!.low).toBeGreaterThan(0.99);
});

test("several runs are judged as one: each file with all that was asked of it, weighed by what it has now", () => {
  const other = mutantsOf("b.ts", "const c = !a;")[0]!;
  const runs = [
    ...result(1, 0).verdicts,
    { mutant: other, end: "survived" as const, tookMs: 1 },
    ...result(0, 1).verdicts,
  ];
  expect(pooled(runs, (file) => (file === "a.ts" ? 30 : 10))).toEqual([
    { file: "a.ts", mutants: 30, verdicts: [runs[0], runs[2]] },
    { file: "b.ts", mutants: 10, verdicts: [runs[1]] },
  ]);
});

test("a run in which no mutant was tried does not hold", () => {
  expect(judge([], 0.9).faults).toEqual(["no mutant was tried: this run says nothing"]);
  expect(judge([result(0, 0)], 0.9).faults).toHaveLength(1);
});

test("a run over tests that fail without a mutant does not hold, whatever died elsewhere", () => {
  const red = { file: "b.ts", mutants: 3, verdicts: [], red: "b.test.ts: is broken" };
  expect(judge([result(10, 0), red], 0.9).faults).toEqual(["b.ts: red without a mutant: b.test.ts: is broken"]);
});

test("a mutant that ran into its time limit is dead", () => {
  expect(judge([{ ...result(0, 0), verdicts: [{ mutant: mutant!, end: "timeout", tookMs: 1 }] }], 0.9)).toMatchObject({
    dead: 1,
    faults: [],
  });
});

test("every entry of the data path stands for code of this tree, and one that was renamed does not drop out", () => {
  const all = sourcesOf(join(import.meta.dirname, "../.."));
  expect(filesOf(DATA_PATH, all).length).toBeGreaterThan(50);
  expect(() => filesOf(["store/no-such.ts"], all)).toThrow("store/no-such.ts");
  expect(filesOf(["a/"], ["a/b.ts", "a/b.test.ts", "a/c/d.ts"])).toEqual(["a/b.ts"]);
});
