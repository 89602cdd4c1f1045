import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { mutantsOf, sampleOf, withMutant } from "./mutants-of.ts";

const root = join(import.meta.dirname, "../..");

/** Every source that one mutant makes of `source`. */
function mutated(source: string): string[] {
  return mutantsOf("a.ts", source).map((mutant) => withMutant(source, mutant));
}

/** The names of a sample of twelve. */
function texts(of: string, seed: string): string[] {
  const sample = sampleOf(mutantsOf("a.ts", of), 12, seed);
  return sample.map(({ operator, original, text }) => `${operator} ${original} ${text}`);
}

describe("the mutants of a source", () => {
  test.each([
    ["if (a) b();", ["if (true) b();", "if (false) b();", "if (a) ;"]],
    ["const c = a < b;", ["const c = a <= b;"]],
    ["const c = a >= b;", ["const c = a > b;"]],
    ["const c = a !== b;", ["const c = a === b;"]],
    ["const c = a && b;", ["const c = true && b;", "const c = a || b;", "const c = a && true;"]],
    ["const c = a || b;", ["const c = false || b;", "const c = a && b;", "const c = a || false;"]],
    ["const c = a ?? b;", ["const c = a;"]],
    ["const c = (a + 1) * b;", ["const c = (a + 1) / b;", "const c = (a - 1) * b;"]],
    ["const c = !a;", ["const c = (a);"]],
    ["const c = true;", ["const c = false;"]],
    ["const c = a ? 1 : 2;", ["const c = true ? 1 : 2;", "const c = false ? 1 : 2;"]],
    ["function f() { return a; }", ["function f() { return undefined; }"]],
    ['throw new Error("a" + (b && c));', [";"]],
    ["while (a) b++;", ["while (false) b++;", "while (a) ;"]],
  ])("%s", (source, expected) => {
    expect(mutated(source).toSorted()).toEqual(expected.toSorted());
  });

  test.each([
    'import { a } from "b";',
    "type A = B | C;",
    "let a: true = b as false;",
    'const a = "b" + c;',
    '"use strict";',
  ])("%s has none: types and the texts that people read are no behaviour", (source) => {
    expect(mutated(source)).toEqual([]);
  });

  test("what is behind a cast is behaviour", () => {
    expect(mutated("const a = (b && c) as string;")).toHaveLength(3);
    expect(mutated("const a = (!b)!;")).toEqual(["const a = ((b))!;"]);
  });

  test("every mutant of a real file is TypeScript, beside letters of more than one unit, too", () => {
    const source = `/* 😀 ü */ ${readFileSync(join(root, "store/append-plan.ts"), "utf8")}`;
    const mutants = mutantsOf("store/append-plan.ts", source);
    expect(mutants.length).toBeGreaterThan(100);
    for (const mutant of sampleOf(mutants, scaled(mutants.length), "parsed")) {
      const changed = withMutant(source, mutant);
      expect(changed).not.toBe(source);
      expect(() => parseAst(changed, { lang: "ts", sourceType: "module" })).not.toThrow();
    }
  });
});

describe("a sample", () => {
  const source = readFileSync(join(root, "store/append-plan.ts"), "utf8");

  test("is the same for the same seed, another for another, and does not move with the code", () => {
    expect(texts(source, "one")).toHaveLength(12);
    expect(texts(`// A line more.\n${source}`, "one")).toEqual(texts(source, "one"));
    expect(texts(source, "two")).not.toEqual(texts(source, "one"));
  });

  test("of more than there are is all", () => {
    expect(sampleOf(mutantsOf("a.ts", "const c = a && b;"), 12, "one")).toHaveLength(3);
  });
});
