import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Files with more lines than this have more than one job. Tests are lists: they may be longer. */
const LINES_MAX = 400;

/** What is longer all the same. An entry goes when its file has been split: a test below asks for that. */
const LONGER: readonly string[] = [];

const HOUSE = join(import.meta.dirname, "../..");

const sources = globSync("**/*.{ts,mts,js,mjs,sh,py}", {
  cwd: HOUSE,
  exclude: (name) => ["node_modules", "dist", "coverage", ".git"].includes(name),
}).filter((file) => !file.endsWith(".test.ts"));

const long = sources.filter((file) => readFileSync(join(HOUSE, file), "utf8").split("\n").length - 1 > LINES_MAX);

test("looks at every room", () => {
  expect(sources.length).toBeGreaterThan(300);
});

test(`no source file is longer than ${LINES_MAX} lines`, () => {
  expect(long.filter((file) => !LONGER.includes(file))).toEqual([]);
});

test("no file is excused that is short by now", () => {
  expect(
    LONGER.filter((file) => !long.includes(file)),
    "take them out of LONGER above",
  ).toEqual([]);
});
