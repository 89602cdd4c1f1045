import { CucumberExpression, ParameterType, ParameterTypeRegistry } from "@cucumber/cucumber-expressions";

/** What a step of this wording does. */
export interface StepDefinition<World> {
  /** A Cucumber expression, such as `the active uplink is {fault}`. */
  readonly words: string;
  /** A sentence for whoever writes scenarios. */
  readonly does: string;
  /** Names of what it breaks. It has to prove each: the sabotage takes them away one by one. */
  readonly faults?: readonly string[];
  /** Names of what it asks of the gateway's configuration. Nobody sees it missing at once: the scenario has to fail without. */
  readonly settings?: readonly string[];
  readonly run: (world: World, ...values: never[]) => Promise<void> | void;
}

/** A word with a meaning of its own in the wording of steps. */
export interface Parameter {
  readonly name: string;
  /** What it may be written as. */
  readonly pattern: RegExp;
  readonly does: string;
  readonly read: (...groups: string[]) => unknown;
}

/** A step with its values filled in. */
export interface Meaning<World> {
  readonly run: (world: World) => Promise<void>;
  readonly faults: readonly string[];
  readonly settings: readonly string[];
}

interface Known<World> {
  readonly definition: StepDefinition<World>;
  readonly expression: CucumberExpression;
}

/** Every step that can be said. */
export class Vocabulary<World> {
  readonly #known: readonly Known<World>[];
  readonly #parameters: readonly Parameter[];

  /** Throws when a wording is not a Cucumber expression or uses an unknown parameter. */
  constructor(parameters: readonly Parameter[], definitions: readonly StepDefinition<World>[]) {
    this.#parameters = parameters;
    const registry = new ParameterTypeRegistry();
    for (const { name, pattern, read } of parameters) {
      registry.defineParameterType(new ParameterType(name, pattern, null, read));
    }
    this.#known = definitions.map((definition) => ({
      definition,
      expression: new CucumberExpression(definition.words, registry),
    }));
  }

  /** What the step does, with its values filled in. Throws when no wording fits, or more than one. */
  meaningOf(text: string): Meaning<World> {
    const fitting = this.#known.flatMap(({ definition, expression }) => {
      const values = expression.match(text);
      return values === null ? [] : [{ definition, values }];
    });
    if (fitting.length > 1) {
      const all = fitting.map(({ definition }) => `"${definition.words}"`).join(" and ");
      throw new Error(`"${text}" can be read as ${all}`);
    }
    const [only] = fitting;
    if (only === undefined) throw new Error(`no step says "${text}"; the nearest is "${this.nearest(text)}"`);
    const run = only.definition.run as (world: World, ...values: unknown[]) => Promise<void> | void;
    return {
      run: async (world) => run(world, ...only.values.map((value) => value.getValue<unknown>(undefined))),
      faults: only.definition.faults ?? [],
      settings: only.definition.settings ?? [],
    };
  }

  /** Whether some wording fits. */
  knows(text: string): boolean {
    return this.#known.some(({ expression }) => expression.match(text) !== null);
  }

  /** The wording that needs the fewest changes to become `text`. */
  nearest(text: string): string {
    const words = this.#wordsOf(text);
    const distances = this.#known.map(({ definition }) => ({
      wording: definition.words,
      changes: changesBetween(words, this.#wordsOf(definition.words)),
    }));
    return distances.toSorted((a, b) => a.changes - b.changes)[0]!.wording;
  }

  /** The words of a step or a wording, with a value and the name of its parameter alike. */
  #wordsOf(text: string): string[] {
    let named = text;
    for (const { name, pattern } of this.#parameters) {
      named = named.replaceAll(new RegExp(`(?<!\\w)(?:${pattern.source})(?!\\w)`, "gu"), `{${name}}`);
    }
    return named.replaceAll(/(?<!\w)\d+(?:\.\d+)?(?!\w)|\{int\}|\{float\}/gu, "{number}").split(" ");
  }
}

/** How many words have to be put in, taken out or replaced, a misspelt word counting half. */
function changesBetween(text: readonly string[], wording: readonly string[]): number {
  return editDistance(text, wording, (said, meant) => {
    const distances = spellingsOf(meant).map((spelling) => ({
      letters: editDistance(Array.from(said), Array.from(spelling), () => 1),
      most: Math.max(said.length, spelling.length) / 3,
    }));
    if (distances.some(({ letters }) => letters === 0)) return 0;
    return distances.some(({ letters, most }) => letters <= most) ? 0.5 : 1;
  });
}

/** `is/are` may be either, `frame(s)` with or without. */
function spellingsOf(word: string): string[] {
  return word.split("/").flatMap((each) => [each.replaceAll(/\(\w+\)/gu, ""), each.replaceAll(/[()]/gu, "")]);
}

/** Levenshtein's distance, with the price of replacing one element by another. */
function editDistance<Element>(
  from: readonly Element[],
  to: readonly Element[],
  replace: (a: Element, b: Element) => number,
): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, a] of from.entries()) {
    const next = [index + 1];
    for (const [column, b] of to.entries()) {
      const price = a === b ? 0 : replace(a, b);
      next.push(Math.min(row[column]! + price, row[column + 1]! + 1, next[column]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
