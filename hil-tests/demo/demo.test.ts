import { afterAll, expect, test } from "vitest";
import { endDemos, startDemo } from "./testing/start-demo.ts";

afterAll(endDemos);

test("proves that nothing is lost when the active uplink is cut, and leaves nothing behind", async () => {
  const { ended, nothingLeft, output } = startDemo("--seconds", "5", "--seed", "3");
  const code = await ended;
  expect(output()).toMatch(/CUT +(\w+) [^]*GOES ON first receipt over [^]*HEALED +\1 /);
  expect(output()).toMatch(/^PASS: ([\d,]+) frames sent, \1 kept exactly once, chains intact\.$/m);
  expect(output()).not.toContain("FAIL");
  expect(code).toBe(0);
  await nothingLeft();
});

test("a wrong option is refused before anything starts", async () => {
  const { ended, nothingLeft, output } = startDemo("--seconds", "3");
  expect(await ended).toBe(2);
  expect(output()).toContain("--seconds 3 is not a whole number from 4 to 45");
  await nothingLeft();
});
