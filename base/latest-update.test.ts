import { expect, test } from "vitest";
import { LatestUpdate } from "./latest-update.ts";

test("carries out one wish at a time, and of those that wait the last; also when nothing there takes time", async () => {
  const done: string[] = [];
  const updates = new LatestUpdate<string>(async (wish, isStale) => {
    done.push(wish);
    if (wish === "slow") {
      await new Promise((resolve) => setImmediate(resolve));
      done.push(isStale() ? "stale" : "fresh");
    }
  });
  await updates.update("a");
  await updates.update("b");
  const slow = updates.update("slow");
  await Promise.resolve();
  await Promise.resolve();
  await Promise.all([slow, updates.update("c"), updates.update("d")]);
  await updates.update("slow");
  expect(done).toEqual(["a", "b", "slow", "stale", "d", "slow", "fresh"]);
});
