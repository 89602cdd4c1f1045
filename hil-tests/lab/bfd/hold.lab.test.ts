/* The short form of hold.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missingForLab } from "../namespaces.ts";
import { StoryTeller } from "../story.ts";
import { measureHold } from "./hold-run.ts";

const SECONDS = 20;

void test(`${SECONDS} s at 50 ms x3 beside a gateway that takes all it can: no false Down, FRR beside us`, async (t) => {
  assert.deepEqual(missingForLab(["bfdd", "nft", "chrt", "taskset"]), []);
  const story = new StoryTeller(t.name);
  const { downs, load, ...report } = await measureHold({ seconds: SECONDS, priority: "fifo" });
  for (const each of downs)
    story.figure(`${each.speaker}, false downs at ${each.intervalMs} ms x3`, String(each.downs.length));
  story.figure("priority of both", report.priority);
  story.figure("worst stall of the machine", `${report.machineWorstStallMs.toFixed(1)} ms`);
  story.figure("worst stall of the speaker", `${report.ourWorstStallMs.toFixed(1)} ms`);
  story.figure(
    "gateway beside it",
    `${load.framesPerS} frames/s, ${Math.round(load.processorShare * 100)} % of a processor`,
  );
  story.tell((line) => t.diagnostic(line));
  assert.ok(load.framesPerS > 0, "the gateway took nothing");
  for (const each of downs.filter(({ speaker }) => speaker === "paddock")) {
    // No speaker can send while the machine stands still; the watchers above every priority have seen it.
    if (report.machineWorstStallMs >= each.budgetMs) continue;
    assert.deepEqual(each.downs, [], `${each.intervalMs} ms x3`);
  }
});
