import { describe, expect, test } from "vitest";
import { readFeature } from "./feature.ts";
import { perform, planScenarios } from "./plan.ts";
import { Vocabulary, type Parameter, type StepDefinition } from "./vocabulary.ts";

const TEXT = `Feature: uplinks

  Background:
    Given sensors send 10 frames

  # What comes of it.
  Scenario: plain
    When fibre is cut

  @slow
  Scenario Outline: cut <which>
    When <which> is cut
    Then nothing is lost

    Examples:
      | which |
      | fibre |
      | lte   |
`;

const PARAMETERS: readonly Parameter[] = [
  { name: "uplink", pattern: /fibre|lte/, does: "an uplink", read: (name = "") => name.toUpperCase() },
];
const STEPS: readonly StepDefinition<string[]>[] = [
  { words: "sensors send {int} frames", does: "", run: (log, frames: number) => void log.push(`send ${frames + 1}`) },
  { words: "{uplink} is/are cut", does: "", run: async (log, uplink: string) => void log.push(`cut ${uplink}`) },
  {
    words: "nothing is lost",
    does: "",
    run: () => {
      throw new Error("one frame is missing");
    },
  },
];
const vocabulary = new Vocabulary(PARAMETERS, STEPS);

function plan(text: string) {
  return planScenarios([{ file: "a.feature", text }], vocabulary);
}

describe("a feature file", () => {
  const scenarios = readFeature(TEXT, "a.feature");

  test("becomes one scenario a row, each beginning with the background", () => {
    expect(scenarios.map(({ name }) => name)).toEqual(["plain", "cut fibre", "cut lte"]);
    expect(scenarios[2]!.steps).toEqual([
      { keyword: "Given", text: "sensors send 10 frames", line: 4 },
      { keyword: "When", text: "lte is cut", line: 12 },
      { keyword: "Then", text: "nothing is lost", line: 13 },
    ]);
  });

  test("keeps its words for the report: the background, then the scenario alone", () => {
    const [plain, outline] = scenarios;
    expect(plain!.text).toBe("Background:\n  Given sensors send 10 frames\n\nScenario: plain\n  When fibre is cut");
    expect(plain!.line).toBe(7);
    expect(outline!.text).toMatch(/\n\nScenario Outline: cut <which>\n {2}When .*\| lte {3}\|$/su);
  });

  test("that is not Gherkin is refused with file and line", () => {
    const text = "Feature: a\n  Scenario: b\n    When c\n    Wenn d\n";
    expect(() => readFeature(text, "x.feature")).toThrow(/x\.feature: .*\(4:5\)/su);
  });
});

describe("a step", () => {
  test("gets its values as what they stand for", async () => {
    const log: string[] = [];
    await perform(plan(TEXT)[0]!, log, ({ keyword, line }) => log.push(`${keyword} ${line}`));
    expect(log).toEqual(["Given 4", "send 11", "When 8", "cut FIBRE"]);
  });

  test.each([
    ["fibre is cutt", "{uplink} is/are cut"],
    ["fibre and lte are cut", "{uplink} is/are cut"],
    ["sensor send 10 frames", "sensors send {int} frames"],
    ["nothing was ever lost", "nothing is lost"],
  ])('misspelt as "%s" is refused with its line and the nearest one', (wrong, near) => {
    const text = `Feature: a\n\n  Scenario: b\n    Given fibre is cut\n    And ${wrong}\n`;
    expect(() => plan(text)).toThrow(`a.feature:5: no step says "${wrong}"; the nearest is "${near}"`);
  });

  test("whose keyword is misspelt is not taken for a remark", () => {
    const text = "Feature: a\n\n  Scenario: b\n    Free words.\n    Whn fibre is cut\n    Then nothing is lost\n";
    expect(() => plan(text)).toThrow('a.feature:3: "Whn fibre is cut" begins with none of Given, When, Then, And, But');
    expect(() => plan("Feature: a\n  Scenario: b\n    Only words.\n")).toThrow('a.feature:2: "b" has no steps');
  });

  test("that fails says where it stands, what it says, and why", async () => {
    await expect(perform(plan(TEXT)[1]!, [])).rejects.toThrow(
      "a.feature:13: Then nothing is lost\none frame is missing",
    );
  });

  test("that can be read in two ways is refused", () => {
    const twice = new Vocabulary(PARAMETERS, [...STEPS, { words: "fibre is cut", does: "", run: () => {} }]);
    expect(() => twice.meaningOf("fibre is cut")).toThrow('"{uplink} is/are cut" and "fibre is cut"');
  });
});

test("everything that is wrong is told at once, in all files", () => {
  const files = [
    { file: "a.feature", text: "Feature: a\n  Scenario: one\n    Given nonsense\n" },
    { file: "b.feature", text: "Feature: b\n  Scenario: one\n    Given more nonsense\n" },
  ];
  expect(() => planScenarios(files, vocabulary)).toThrow(
    /a\.feature:3: no step says "nonsense".*b\.feature:2: "one" is the name of the scenario at a\.feature:2 too.*b\.feature:3/su,
  );
});
