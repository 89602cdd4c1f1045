import { CucumberExpression, ParameterType, ParameterTypeRegistry } from "@cucumber/cucumber-expressions";

/** What a step of this wording does. */
export interface StepDefinition<World> {
  /** A Cucumber expression, such as `the active uplink is {fault}`. */
  readonly words: string;
  /** A sentence for whoever writes scenarios. */
  readonly does: string;
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

interface Known<World> {
  readonly definition: StepDefinition<World>;
  readonly expression: CucumberExpression;
}

/** Every step that can be said. */
export class Vocabulary<World> {
  readonly #known: readonly Known<World>[];

  /** Throws when a wording is not a Cucumber expression or uses an unknown parameter. */
  constructor(parameters: readonly Parameter[], definitions: readonly StepDefinition<World>[]) {
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
  meaningOf(text: string): (world: World) => Promise<void> {
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
    return async (world) => run(world, ...only.values.map((value) => value.getValue<unknown>(undefined)));
  }

  /** Whether some wording fits. */
  knows(text: string): boolean {
    return this.#known.some(({ expression }) => expression.match(text) !== null);
  }

  /** The wording that needs the fewest changes to become `text`. */
  nearest(text: string): string {
    const wordings = this.#known.map(({ definition }) => definition.words);
    return wordings.toSorted((a, b) => distance(text, a) - distance(text, b))[0]!;
  }
}

/** Of two wordings in words: how many have to be put in, taken out or replaced, a misspelt word counting half. */
function distance(left: string, right: string): number {
  const [from, to] = [left.split(" "), right.split(" ")];
  return editDistance(from, to, (a, b) => {
    if (a === b) return 0;
    if (b.startsWith("{")) return 0.25;
    return editDistance(Array.from(a), Array.from(b), () => 1) <= Math.max(a.length, b.length) / 3 ? 0.5 : 1;
  });
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
