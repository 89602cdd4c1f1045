import { globSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import interop from "../vitest.config.ts";
import { labFiles } from "../report/run-lab.ts";

/** Every test file is run by a command that .ci/run gives. */

const HOUSE = join(import.meta.dirname, "../..");
const ROOM = "hil-tests";

interface Kind {
  readonly include?: string[];
  readonly exclude?: string[];
}

async function configured(file: string): Promise<Kind | undefined> {
  return ((await import(join(HOUSE, file))) as { default: { test?: Kind } }).default.test;
}

function filesOf({ include, exclude = [] }: Kind = {}, cwd = HOUSE): string[] {
  return globSync(include ?? [], { cwd, exclude: ["**/node_modules/**", ...exclude] });
}

const KINDS = {
  "npm test": filesOf(await configured("vitest.config.ts")),
  "npm run trial": filesOf(await configured("vitest.trial.config.ts")),
  "npm run hil": [
    ...(await labFiles([])).tests.map((file) => relative(HOUSE, file)),
    ...filesOf(interop.test, join(HOUSE, ROOM)).map((file) => join(ROOM, file)),
  ],
  "npm run images": globSync(`${ROOM}/boot/*.boot.test.ts`, { cwd: HOUSE }),
} as const;

const commands = readFileSync(join(HOUSE, ".ci/run"), "utf8").split("\n");

describe.each(Object.entries(KINDS))("%s", (command, files) => {
  test("is run by .ci/run, and has files", () => {
    expect(commands).toContain(command);
    expect(files.length).toBeGreaterThan(0);
  });
});

function kindsOf(file: string): string[] {
  return Object.entries(KINDS).flatMap(([command, files]) => (files.includes(file) ? [command] : []));
}

function isMadeOfChance(file: string): boolean {
  return /^import .*testing\/fuzz\.ts";$/mu.test(readFileSync(join(HOUSE, file), "utf8"));
}

test("every test file is of one kind; what is made of chance is in `npm test` and in `npm run trial`", () => {
  const all = filesOf({ include: ["**/*.test.ts"] });
  expect(all.length).toBeGreaterThan(280);
  for (const file of all) {
    const wanted =
      isMadeOfChance(file) && !file.endsWith(".trial.test.ts") ? ["npm test", "npm run trial"] : [expect.any(String)];
    expect(kindsOf(file), file).toEqual(wanted);
  }
});
