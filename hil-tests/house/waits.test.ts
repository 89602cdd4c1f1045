import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** What a machine with ten times its usual load fails by, and what to write instead. */
const HASTY: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [/vi\.waitFor\(/u, "it gives up after a second: use until of base/testing/until.ts"],
  [
    /(?:expect|assert\.ok)\(.*(?:Date\.now|performance\.now)\(\)/u,
    "a time that is measured is no assertion: count, or use virtual time",
  ],
  [/poll\(.*\btimeout: \d{1,4}\b/u, "vitest.config.ts has a limit for all"],
];

const HOUSE = join(import.meta.dirname, "../..");

const tests = globSync("**/*.test.ts", { cwd: HOUSE, exclude: (name) => name === "node_modules" });

function hasty(text: string): string[] {
  return HASTY.flatMap(([pattern, remedy]) => (pattern.test(text) ? [remedy] : []));
}

test("no test is in a hurry", () => {
  expect(tests.length).toBeGreaterThan(200);
  const found = tests
    .filter((file) => !file.endsWith("house/waits.test.ts"))
    .flatMap((file) => hasty(readFileSync(join(HOUSE, file), "utf8")).map((remedy) => `${file}: ${remedy}`));
  expect(found).toEqual([]);
});

test.each([
  "await vi.waitFor(() => true);",
  "expect(Date.now() - beganMs).toBeLessThan(9000);",
  "assert.ok(performance.now() - began < 1000);",
  "await expect.poll(() => refused.length, { timeout: 5000 }).toBe(8);",
])("%s is in a hurry", (line) => {
  expect(hasty(line)).toHaveLength(1);
});
