import type { Random } from "@paddock/base/random.ts";
import type { Faults } from "../scenario/schema.ts";
import type { FrameKind } from "./planned-frame.ts";

const KIND_OF_FAULT = [
  ["duplicate", "duplicate"],
  ["malformedCbor", "malformed-cbor"],
  ["truncatedCbor", "truncated-cbor"],
  ["wrongFormat", "wrong-format"],
  ["replay", "replay"],
  ["staleSequence", "stale-sequence"],
  ["badTag", "bad-tag"],
  ["stuckValue", "stuck-value"],
  ["reboot", "reboot"],
  ["abandonedBlocks", "abandoned-blocks"],
  ["oversize", "oversize"],
] as const satisfies readonly (readonly [keyof Faults, FrameKind])[];

/** At most one fault, by one draw: the order of the list and the draw are part of what a seed means. */
export function pickFault(faults: Faults, random: Random): FrameKind {
  let left = random.float();
  for (const [fault, kind] of KIND_OF_FAULT) {
    left -= faults[fault];
    if (left < 0) return kind;
  }
  return "good";
}
