import { glob, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tableIn, withTable, type GeneratedTable } from "../../../docs/generated-tables.ts";
import { planScenarios } from "../gherkin/plan.ts";
import { ALL_STEPS, vocabulary } from "./all-steps.ts";
import { PARAMETERS } from "./parameters.ts";

const ROOM = join(import.meta.dirname, "..");
const README = join(ROOM, "../../README.md");

const TABLES: Readonly<Record<string, GeneratedTable>> = {
  steps: { head: ["step", "what it does"], rows: ALL_STEPS.map(({ words, does }) => [`\`${words}\``, does]) },
  "step-values": { head: ["value", "may be"], rows: PARAMETERS.map(({ name, does }) => [`\`{${name}}\``, does]) },
};

test("every scenario says only what the steps know, and every step is said by some scenario", async () => {
  const files: { file: string; text: string }[] = [];
  for await (const file of glob("scenarios/*.feature", { cwd: ROOM })) {
    files.push({ file, text: await readFile(join(ROOM, file), "utf8") });
  }
  const said = planScenarios(files, vocabulary()).flatMap(({ scenario }) => scenario.steps.map(({ text }) => text));
  expect(said.length).toBeGreaterThan(50);
  const single = ALL_STEPS.map((step) => ({ step, alone: vocabulary([step]) }));
  const unsaid = single.filter(({ alone }) => !said.some((text) => alone.knows(text)));
  expect(unsaid.map(({ step }) => step.words)).toEqual([]);
});

test.each([
  ["the active uplink is cutt", "{uplinks} is/are cut"],
  ["the active uplink looses 5 % of all packets", "{uplinks} lose(s) {float} % of all packets"],
  ["fibre lost its address", "{uplinks} loses its address"],
  ["sensors send 2000 frames per secnd", "sensors send {int} frames per second"],
  [
    "every frame is answered 2.04 and in the ledger once",
    "every frame is answered 2.04 and is in the ledger exactly once",
  ],
])('who writes "%s" is pointed to "%s"', (wrong, near) => {
  expect(vocabulary().nearest(wrong)).toBe(near);
});

test("the scenario that hil-tests/README.md shows can be run", async () => {
  const [, shown] = /```gherkin\n(.*?)```/su.exec(await readFile(README, "utf8"))!;
  const planned = planScenarios([{ file: "README.md", text: `Feature: shown\n${shown}` }], vocabulary());
  expect(planned.map(({ actions }) => actions.length)).toEqual([8]);
});

test.each(Object.keys(TABLES))(
  "hil-tests/README.md lists the %s (WRITE_TABLES=1 vitest run hil-tests/lab writes them)",
  async (name) => {
    let text = await readFile(README, "utf8");
    const { head, rows } = TABLES[name]!;
    if (process.env["WRITE_TABLES"] === "1") {
      text = withTable(text, name, { head, rows });
      await writeFile(README, text);
    }
    expect(tableIn(text, name)).toEqual([head, ...rows]);
  },
);
