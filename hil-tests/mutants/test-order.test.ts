import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { importGraph, testsOf } from "./test-order.ts";

/** Apart, so that the test of this house's own imports does not take the texts below for some. */
const OURS = "@paddock";
const root = mkdtempSync(join(tmpdir(), "paddock-mutants-"));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("the tests beside a file that reach it come nearest first, without those that start processes", () => {
  const sources = {
    "room/part/code.ts": "export const a = 1;",
    "room/part/user.ts": 'export * from "./code.ts";',
    "room/part/typed.ts": 'import type { A } from "./code.ts";',
    "room/part/z.test.ts": 'import "./code.ts";',
    "room/part/a.test.ts": 'import "./user.ts";',
    "room/part/typed.test.ts": 'import "./typed.ts";',
    "room/part/process.test.ts": 'import "node:child_process"; import "./code.ts";',
    "room/lonely.ts": "export const b = 1;",
    "room/other/far.test.ts": 'import "../part/code.ts"; import "../lonely.ts";',
    "other/b.test.ts": `import "${OURS}/room/part/code.ts"; import "${OURS}/room/lonely.ts";`,
  };
  for (const [file, source] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), source);
  }
  const graph = importGraph(root, Object.keys(sources));
  expect(testsOf(graph, "room/part/code.ts")).toEqual(["room/part/z.test.ts", "room/part/a.test.ts"]);
  expect(testsOf(graph, "room/lonely.ts")).toEqual(["room/other/far.test.ts"]);
  expect(graph.importers.get("room/part/code.ts")).toContain("other/b.test.ts");
});
