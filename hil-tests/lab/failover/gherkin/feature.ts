import { AstBuilder, compile, GherkinClassicTokenMatcher, Parser } from "@cucumber/gherkin";
import { IdGenerator, type GherkinDocument, type RuleChild, type Step } from "@cucumber/messages";

/** One scenario as it is run: outlines are filled in, and the steps of the background come first. */
export interface Scenario {
  readonly feature: string;
  readonly name: string;
  readonly file: string;
  /** Where it begins in the file. */
  readonly line: number;
  readonly steps: readonly ScenarioStep[];
  /** Free words between its name and its first step; empty without. */
  readonly description: string;
  /** What the file says: the background, then the scenario. */
  readonly text: string;
}

export interface ScenarioStep {
  /** `Given`, `When`, `Then`, `And` or `But`. */
  readonly keyword: string;
  readonly text: string;
  /** In its file. */
  readonly line: number;
}

/** The scenarios of a .feature file. Throws with file and line when it cannot be read as Gherkin. */
export function readFeature(text: string, file: string): Scenario[] {
  const newId = IdGenerator.incrementing();
  const parser = new Parser(new AstBuilder(newId), new GherkinClassicTokenMatcher());
  let document: GherkinDocument;
  try {
    document = parser.parse(text);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
  const steps = stepsById(document);
  const lines = text.split("\n");
  return compile(document, file, newId).map((pickle) => {
    const part = partOf(document, pickle.astNodeIds);
    return {
      feature: document.feature!.name,
      name: pickle.name,
      file,
      line: part.line,
      steps: pickle.steps.map((step) => {
        const { keyword, location } = steps.get(step.astNodeIds[0]!)!;
        return { keyword: keyword.trim(), text: step.text, line: location.line };
      }),
      description: part.description,
      text: part.ranges.map((range) => textOf(lines, range)).join("\n\n"),
    };
  });
}

function stepsById(document: GherkinDocument): Map<string, Step> {
  const children = document.feature?.children ?? [];
  const inRules = children.flatMap(({ rule }) => rule?.children ?? []);
  const parts = [...children, ...inRules].flatMap(({ background, scenario }) => background ?? scenario ?? []);
  const steps = parts.flatMap((part): readonly Step[] => part.steps);
  return new Map(steps.map((step) => [step.id, step]));
}

/** First line, and the line after the last, counted from 1. */
type Range = readonly [number, number];

/** Where the scenario with one of these ids stands, and what of the file it consists of. */
function partOf(
  document: GherkinDocument,
  ids: readonly string[],
): { line: number; description: string; ranges: readonly Range[] } {
  const { children } = document.feature!;
  const rules = children.flatMap(({ rule }) => rule ?? []);
  const all: readonly RuleChild[] = children.flatMap((child) => child.rule?.children ?? [child]);
  const parts = [...rules, ...all.flatMap(({ background, scenario }) => background ?? scenario ?? [])];
  const starts = parts.map(({ location }) => location.line);
  const rangeFrom = (line: number): Range => [
    line,
    Math.min(...starts.filter((other) => other > line), Number.POSITIVE_INFINITY),
  ];
  const { scenario: own } = all.find(({ scenario }) => scenario !== undefined && ids.includes(scenario.id))!;
  const backgrounds = children.flatMap(({ background }) => background?.location.line ?? []);
  const { location, description } = own!;
  const { line } = location;
  return { line, description, ranges: [...backgrounds, line].map(rangeFrom) };
}

/** The lines without the indentation that all share, and without blank lines and comments of what follows. */
function textOf(lines: readonly string[], [from, to]: Range): string {
  const part = lines.slice(from - 1, Number.isFinite(to) ? to - 1 : undefined);
  while (/^\s*(?:[#@].*)?$/u.test(part.at(-1) ?? "x")) part.pop();
  const indent = Math.min(...part.filter((line) => line.trim() !== "").map((line) => line.search(/\S/u)));
  return part.map((line) => line.slice(indent)).join("\n");
}
