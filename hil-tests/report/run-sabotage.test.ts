import { expect, test } from "vitest";
import { NEVER_HAPPENED } from "../lab/failover/happened.ts";
import { readScenarios } from "../lab/failover/read-scenarios.ts";
import { labFiles } from "./run-lab.ts";
import { runSabotage, sabotages } from "./run-sabotage.ts";
import type { Verdict } from "./verdicts.ts";

const seen = (name: string, failure: string | null): Verdict => ({
  ring: "lab/failover",
  file: "x.feature",
  name,
  passed: failure === null,
  durationMs: 1,
  failure,
  story: null,
});

test("every scenario is run without each of its faults", async () => {
  const { features } = await labFiles(["5-programs"]);
  const plan = sabotages(await readScenarios(features));
  expect(plan.map(({ fault, scenarios }) => [fault, scenarios.length])).toEqual([
    ["ended-collector", 2],
    ["killed-gateway", 1],
    ["killed-speaker", 1],
    ["cut", 1],
  ]);
  const only = sabotages(await readScenarios(features), "speaker");
  expect(only.map(({ fault }) => fault)).toEqual(["killed-speaker", "cut"]);
});

test.each([
  ["a scenario that stays green", [seen("a (b)", null)], /stayed green/],
  ["one that fails for another reason", [seen("a (b)", "not within 60000 ms")], /another reason.*60000/],
  ["one that was not run", [seen("another", NEVER_HAPPENED)], /not run/],
])("the sabotage does not take %s for a proof", async (_, verdicts, complaint) => {
  const [verdict] = await runSabotage([{ fault: "cut", isSetting: false, scenarios: ["a (b)"] }], async () => verdicts);
  expect(verdict).toMatchObject({ passed: false, failure: expect.stringMatching(complaint) as unknown });
});

/** Whether a failure is one that a scenario without its setting has to show. */
async function judged(failure: string | null): Promise<boolean> {
  const one = [{ fault: "metered", isSetting: true, scenarios: ["a"] }];
  const [verdict] = await runSabotage(one, async () => [seen("a", failure)]);
  return verdict!.passed;
}

test("without a setting a scenario has to fail by what the setting was for, not by its start", async () => {
  const { features } = await labFiles(["4-alarms"]);
  const plan = sabotages(await readScenarios(features)).filter(({ isSetting }) => isSetting);
  expect(plan.map(({ fault, scenarios }) => [fault, scenarios.length])).toEqual([
    ["risk-groups", 1],
    ["alarm-twice", 1],
    ["metered", 2],
  ]);
  expect(await judged("x.feature:20: And lte is watched slowly\nnot within 60000 ms")).toBe(true);
  expect(await judged("x.feature:19: And sensors send 2000 frames per second\nthe gateway ended")).toBe(false);
  expect(await judged("no namespace can be made")).toBe(false);
  expect(await judged(null)).toBe(false);
});

test("nothing more is run after an interrupt", async () => {
  let runs = 0;
  const plan = ["cut", "loss"].map((fault) => ({ fault, isSetting: false, scenarios: ["a"] }));
  const run = async () => [seen("a", String(runs++))];
  expect(await runSabotage(plan, run, () => runs > 0)).toHaveLength(1);
});

test("a scenario that says that its fault never happened has proven itself; its name is taken literally", async () => {
  const asked: [RegExp, string][] = [];
  const verdicts = await runSabotage(
    [{ fault: "cut", isSetting: false, scenarios: ["a (b)", "c"] }],
    async (...question) => {
      asked.push(question);
      return ["a (b)", "c"].map((name) => seen(name, `x.feature:3: When\n${NEVER_HAPPENED}: fibre is cut`));
    },
  );
  expect(verdicts.map(({ name, passed, failure }) => [name, passed, failure])).toEqual([
    ["without cut: a (b)", true, null],
    ["without cut: c", true, null],
  ]);
  const [[pattern, fault] = [/never/u, ""]] = asked;
  expect(fault).toBe("cut");
  expect(["a (b)", "c", "a b", "cc"].map((name) => pattern.test(name))).toEqual([true, true, false, false]);
});
