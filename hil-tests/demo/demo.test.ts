import { afterAll, expect, test } from "vitest";
import { readOptions } from "./options.ts";
import { endDemos, expectPass, startDemo } from "./testing/start-demo.ts";

afterAll(endDemos);

/** At full speed: full-speed.trial.test.ts. */
test("proves that nothing is lost when the active uplink is cut, and leaves nothing behind", () =>
  expectPass("--seconds", "4", "--seed", "3", "--speed", "0.1"));

test("a wrong option is refused before anything starts", async () => {
  const { ended, nothingLeft, output } = startDemo("--seconds", "3");
  expect(await ended).toBe(2);
  expect(output()).toContain("--seconds 3 is not a whole number from 4 to 45");
  await nothingLeft();
});

test.each(["0.04", "1.5", "fast", ""])("--speed %o is refused", (speed) => {
  expect(() => readOptions(["--speed", speed])).toThrow(`--speed ${speed} is not a number from 0.05 to 1.`);
});
