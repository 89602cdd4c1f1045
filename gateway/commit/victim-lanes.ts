import { LANES, type Lane } from "@paddock/wire/lanes.ts";
import type { LaneSettings } from "./ports.ts";

/**
 * Whose payloads give way when the store is full and everything acknowledged is trimmed already. Pure.
 *
 * Each lane is guaranteed `quotaShare` of what the store holds now (which is the quota, or less when the disk fills up
 * from elsewhere), and may use what the others leave unused. So a lane above its share gives up its own oldest payloads;
 * one within its share takes them from the lane that is furthest above. A `refuse-new` lane never gives anything up.
 * Returns the lanes to try, in order; none means the frame is refused.
 */
export function victims(
  lane: Lane,
  bytesByLane: readonly number[],
  settings: readonly Pick<LaneSettings, "pressure" | "quotaShare">[],
): Lane[] {
  let total = 0;
  for (const bytes of bytesByLane) total += bytes;
  const above = (candidate: number): number => bytesByLane[candidate]! - settings[candidate]!.quotaShare * total;
  const evicting = LANES.keys().filter((candidate) => settings[candidate]!.pressure === "evict-oldest");
  const over = [...evicting].filter((candidate) => above(candidate) > 0).toSorted((a, b) => above(b) - above(a));
  const own = settings[lane]!.pressure === "evict-oldest";
  const ordered = own && above(lane) > 0 ? [lane, ...over.filter((other) => other !== lane)] : [...over];
  // A lane that evicts and finds nothing above its share (all is headers there) still has its own to give.
  if (own && !ordered.includes(lane)) ordered.push(lane);
  return ordered as Lane[];
}
