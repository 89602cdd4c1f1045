import { expect, test } from "vitest";
import { victims } from "./victim-lanes.ts";

const refuse = (quotaShare: number) => ({ pressure: "refuse-new", quotaShare }) as const;
const evict = (quotaShare: number) => ({ pressure: "evict-oldest", quotaShare }) as const;
const usual = [refuse(0.2), evict(0.5), evict(0.3)];

test.each([
  ["alarm takes from the lane that is furthest above its share", 0, [10, 45, 45], usual, [2]],
  ["telemetry above its share gives up its own first", 1, [0, 60, 40], usual, [1, 2]],
  ["alarm takes from both that are above, telemetry further", 0, [0, 65, 35], usual, [1, 2]],
  ["alarm takes from both that are above, bulk further", 0, [0, 55, 45], usual, [2, 1]],
  ["nobody takes from a lane that is at its share", 1, [0, 70, 30], usual, [1]],
  ["a lane that is at its share takes from others first", 1, [0, 50, 50], usual, [2, 1]],
  ["telemetry above its share goes first, also when bulk is further above", 1, [0, 55, 45], usual, [1, 2]],
  ["telemetry within its share takes from bulk, at last from itself", 1, [0, 20, 80], usual, [2, 1]],
  ["a lane that fills the store alone gives up its own", 2, [0, 0, 100], usual, [2]],
  ["nobody takes from a lane that refuses", 2, [90, 5, 5], usual, [2]],
  ["where every lane refuses there is no room", 0, [50, 30, 20], [refuse(0.2), refuse(0.5), refuse(0.3)], []],
] as const)("%s", (_what, lane, bytes, settings, expected) => {
  expect(victims(lane, bytes, settings)).toEqual(expected);
});
