import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DATA_PATH, filesOf } from "./data-path.ts";
import { DECISIONS, within } from "./decisions.ts";
import { mutantsOf } from "./mutants-of.ts";
import { sourcesOf } from "./test-order.ts";

test("only the mutants of the named functions are asked, and a name that stands for none is refused", () => {
  const source = "class A { #may(a) { return !a; } other(a) { return !a; } }\nfunction may(a) { return a; }";
  const mutants = mutantsOf("a.ts", source);
  const asked = (...names: string[]) => within(mutants, source, names).map(({ original }) => original);
  expect(asked("#may")).toEqual(["!a", "!a"]);
  expect(asked("may")).toEqual(["a"]);
  expect(asked("#may", "may")).toHaveLength(3);
  expect(() => asked("gone")).toThrow("gone");
});

test("every decision is a function of the data path that has mutants", () => {
  const root = join(import.meta.dirname, "../..");
  const path = filesOf(DATA_PATH, sourcesOf(root));
  for (const { file, within: name } of DECISIONS) {
    expect(path).toContain(file);
    const source = readFileSync(join(root, file), "utf8");
    expect(within(mutantsOf(file, source), source, [name]).length, `${file} ${name}`).toBeGreaterThan(0);
  }
});
