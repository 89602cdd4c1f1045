import { expect, test } from "vitest";
import { Load } from "./load.ts";
import type { Target } from "./target.ts";

/** A simulator that ended with this code and said this. */
function loadThatEnds(code: number, summary: object): Load {
  const simulator = {
    running: false,
    finished: Promise.resolve({ code, output: `1 s: 5 frames\n${JSON.stringify(summary)}\n` }),
    stop: () => {},
  };
  const target = { directory: "/nowhere", coapTarget: "[::1]:5683", startSimulator: () => simulator };
  const load = new Load(target as unknown as Target, { framesPerS: 1, alarmsPerS: 0, keyed: false });
  load.start();
  return load;
}

const GOOD = { interrupted: true, wrongAnswers: 0, outcomes: { acknowledged: 5 } };

test("a load that was told to end, with right answers, is finished", async () => {
  expect(await loadThatEnds(1, GOOD).finish()).toMatchObject(GOOD);
});

test.each([
  ["a wrong answer", 1, { ...GOOD, wrongAnswers: 1 }],
  ["an end of its own", 0, { ...GOOD, interrupted: false }],
  ["an end of its own with the code of an interruption", 1, { ...GOOD, interrupted: false }],
  ["a broken simulator", 2, GOOD],
])("%s fails the load", async (_, code, summary) => {
  await expect(loadThatEnds(code, summary).finish()).rejects.toThrow(/the simulator ended with/);
});
