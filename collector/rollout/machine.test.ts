import { describe, expect, test } from "vitest";
import type { DirectiveOutcome } from "@paddock/wire/gateway-record.ts";
import { advanceRollout, isOffered, ringsOf, type Rollout } from "./machine.ts";

const rollout: Rollout = {
  phase: "running",
  why: "",
  body: { kind: "config", revision: 1, document: "{}" },
  issued: 0,
  notAfter: 1e9,
  rings: [1, 3],
  ring: 0,
  ringSince: 0,
  failuresMax: 0,
  withinMs: 1000,
  gateways: ["a", "b", "c"].map((id) => ({ id, directive: `of-${id}`, outcome: null, reason: "" })),
};

function look(state: Rollout, nowMs: number, answers: Record<string, DirectiveOutcome> = {}): Rollout {
  const known = new Map(Object.entries(answers).map(([id, outcome]) => [`of-${id}`, { outcome, reason: "" }]));
  return advanceRollout(state, { kind: "look", nowMs, answers: known });
}

const offered = (state: Rollout) => ["a", "b", "c", "stranger"].filter((id) => isOffered(state, id));

describe("a rollout", () => {
  test("goes ring after ring, each when the one before has answered", () => {
    expect(offered(rollout)).toEqual(["a"]);
    const trying = look(rollout, 1, { a: "trying" });
    expect(offered(trying)).toEqual(["a"]);
    const second = look(trying, 2, { a: "applied" });
    expect(second).toMatchObject({ ring: 1, ringSince: 2 });
    expect(offered(second)).toEqual(["b", "c"]);
    expect(look(second, 3, { b: "applied", c: "applied" })).toMatchObject({ phase: "done" });
  });

  test.each(["refused", "reverted", "failed"] as const)("stops in ring 1 when its gateway %s", (outcome) => {
    const stopped = look(rollout, 1, { a: outcome });
    expect(stopped).toMatchObject({ phase: "stopped", ring: 0 });
    expect(stopped.why).toContain(`a ${outcome}`);
    expect(offered(stopped)).toEqual([]);
    expect(advanceRollout(stopped, { kind: "resume", nowMs: 2 })).toBe(stopped);
  });

  test("goes on beside as many failures as it may have", () => {
    expect(look({ ...rollout, failuresMax: 1 }, 1, { a: "reverted" })).toMatchObject({ phase: "running", ring: 1 });
  });

  test("counts a gateway that still tries when its time is over as failed, and waits for a ring of which it heard nobody", () => {
    expect(look(look(rollout, 1, { a: "trying" }), 1000)).toMatchObject({ phase: "stopped" });
    expect(look(rollout, 5000)).toBe(rollout);
    const second = look(rollout, 1, { a: "applied" });
    const late = look(second, 2000, { b: "applied" });
    expect(late).toMatchObject({ phase: "done" });
    // The one that was away gets it when it comes back.
    expect(offered(late)).toEqual(["c"]);
  });

  test("gives nothing out while it is paused, and its ring has its time anew", () => {
    const paused = advanceRollout(rollout, { kind: "pause" });
    expect(offered(paused)).toEqual([]);
    expect(advanceRollout(paused, { kind: "resume", nowMs: 9 })).toMatchObject({ phase: "running", ringSince: 9 });
    expect(advanceRollout(paused, { kind: "stop" })).toMatchObject({ phase: "stopped" });
  });
});

test.each([
  ["1,5%,25%,100%", 100, [1, 5, 25, 100]],
  ["1,5%,25%,100%", 2, [1, 2]],
  ["1,5%,25%,100%", 1, [1]],
  ["2", 5, [2, 5]],
  ["10,5%", 100, undefined],
  ["0", 5, undefined],
  ["101%", 5, undefined],
  ["a", 5, undefined],
])("rings %s of %i gateways", (text, total, rings) => {
  expect(ringsOf(text, total)).toEqual(rings);
});
