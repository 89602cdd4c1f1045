import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { advanceDirectives, NO_DIRECTIVES } from "./machine.ts";
import { readDirectiveState, setStateAside, writeDirectiveState } from "./state-file.ts";

const COLLECTOR = "cc";
const OFFER = {
  id: "1".repeat(32),
  gateway: "aa",
  issued: 5,
  notAfter: 9,
  body: { kind: "config", revision: 1, document: "{}" },
} as const;
const TRIED = advanceDirectives(NO_DIRECTIVES, {
  kind: "offer",
  offer: OFFER,
  gateway: "aa",
  nowMs: 6,
  problem: undefined,
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-directives-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("what directives have done is there at the next start, and says nothing to another collector", async () => {
  await writeDirectiveState(directory, COLLECTOR, TRIED);
  expect(TRIED.trial).toMatchObject({ revision: 1 });
  expect(await readDirectiveState(directory, COLLECTOR)).toEqual({ state: TRIED, damaged: undefined });
  expect(await readDirectiveState(directory, "dd")).toEqual({ state: NO_DIRECTIVES, damaged: undefined });
});

test("a damaged file counts as none, and is kept as it is", async () => {
  expect(await readDirectiveState(directory, COLLECTOR)).toEqual({ state: NO_DIRECTIVES, damaged: undefined });
  const path = join(directory, "directives.json");
  await writeFile(path, '{"newest": 5');
  expect(await readDirectiveState(directory, COLLECTOR)).toEqual({
    state: NO_DIRECTIVES,
    damaged: expect.stringContaining("JSON") as string,
  });
  await setStateAside(directory);
  expect(await readFile(`${path}.damaged`, "utf8")).toBe('{"newest": 5');
  expect(await readDirectiveState(directory, COLLECTOR)).toEqual({ state: NO_DIRECTIVES, damaged: undefined });
});
