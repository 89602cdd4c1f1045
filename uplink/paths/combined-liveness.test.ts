import { expect, test } from "vitest";
import type { Liveness } from "./path-config.ts";
import { combineLiveness, type SessionFinding } from "./combined-liveness.ts";

function findings(firstHop?: Liveness, endToEnd?: Liveness, detectionTimeMs?: number): SessionFinding[] {
  const common = { sinceMs: 1000, detectionTimeMs };
  return [
    ...(endToEnd === undefined ? [] : [{ ...common, scope: "endToEnd" as const, liveness: endToEnd, why: "far" }]),
    ...(firstHop === undefined ? [] : [{ ...common, scope: "firstHop" as const, liveness: firstHop, why: "router" }]),
  ];
}

test.each<[Liveness | undefined, Liveness | undefined, Liveness, string]>([
  [undefined, undefined, "unknown", "not watched"],
  ["up", undefined, "up", "router"],
  ["down", undefined, "down", "router"],
  ["unknown", undefined, "unknown", "router"],
  [undefined, "up", "up", "far"],
  [undefined, "down", "down", "far"],
  ["up", "up", "up", "end to end: far"],
  ["up", "down", "down", "end to end: far"],
  ["down", "down", "down", "first hop: router"],
  ["down", "unknown", "down", "first hop: router"],
  ["unknown", "up", "up", "end to end: far"],
  ["unknown", "down", "down", "end to end: far"],
  // The first hop alone proves nothing about the rest: the receipts decide.
  ["up", "unknown", "unknown", "end to end: far"],
  ["unknown", "unknown", "unknown", "end to end: far"],
])("first hop %s, end to end %s: %s", (firstHop, endToEnd, liveness, why) => {
  expect(combineLiveness(findings(firstHop, endToEnd, 900), 1000)).toMatchObject({
    liveness,
    why,
    wakeAtMs: undefined,
  });
});

test("a first hop that goes down takes the path with it, until packets from end to end have outlived it", () => {
  const both = findings("down", "up", 900);
  const before = combineLiveness(both, 1000);
  expect(before).toEqual({ liveness: "down", why: "first hop: router", decidedBy: "firstHop", wakeAtMs: 2000 });
  expect(combineLiveness(both, 1999.9).liveness).toBe("down");
  expect(combineLiveness(both, before.wakeAtMs!)).toEqual({
    liveness: "up",
    why: "end to end: far, although the first hop is down (router)",
    decidedBy: "endToEnd",
    wakeAtMs: undefined,
  });
});

test.each<[Liveness, Liveness, string]>([
  ["up", "up", "end to end: far, although the first hop is down (router)"],
  ["unknown", "unknown", "end to end: far"],
  ["down", "down", "end to end: far"],
])("a first hop that was outlived has no say while it is down: end to end %s", (endToEnd, liveness, why) => {
  const [far, router] = findings("down", endToEnd, 900);
  expect(combineLiveness([far!, { ...router!, outlived: true }], 1000)).toMatchObject({ liveness, why });
});

test("an end-to-end session that has negotiated nothing outlives nothing", () => {
  const both = findings("down", "up");
  expect(combineLiveness(both, 1e9)).toMatchObject({ liveness: "down", wakeAtMs: undefined });
});
