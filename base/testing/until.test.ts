import { expect, test } from "vitest";
import { until } from "./until.ts";

test.each([
  ["is false", () => false],
  ["throws", () => expect(1).toBe(2)],
  ["rejects", () => Promise.reject(new Error("no"))],
])("what %s is asked again until it holds", async (_, not) => {
  let asked = 0;
  await until(() => (++asked < 3 ? not() : undefined));
  expect(asked).toBe(3);
});
