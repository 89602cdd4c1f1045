import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startGate, stepGate, type GateEvent, type GateVerdict } from "./gate.ts";

const WITHIN_MS = 300_000;
const SILENT: GateEvent = { kind: "no-answer" };
const NOTHING: GateEvent = { kind: "answer", receiptS: null, idle: false };
const IDLE: GateEvent = { kind: "answer", receiptS: null, idle: true };
const RECEIPT: GateEvent = { kind: "answer", receiptS: 1, idle: false };

/** The verdict over events, each with its time in seconds, and when it came. */
function judge(
  receiptBeforeS: number | null,
  events: readonly (readonly [number, GateEvent])[],
): GateVerdict | undefined {
  let state = startGate({ withinMs: WITHIN_MS, receiptBeforeS, nowMs: 1000 });
  for (const [seconds, event] of events) {
    const next = stepGate(state, event, 1000 + seconds * 1000);
    if (next.verdict !== undefined) return next.verdict;
    ({ state } = next);
  }
  return undefined;
}

describe("a new release is", () => {
  test("confirmed by a receipt, whenever it comes", () => {
    expect(
      judge(10, [
        [1, SILENT],
        [2, NOTHING],
        [299, RECEIPT],
      ]),
    ).toMatchObject({ healthy: true });
  });

  test("given up when none comes in time, although the release before had one", () => {
    expect(
      judge(10, [
        [1, NOTHING],
        [299, NOTHING],
      ]),
    ).toBeUndefined();
    expect(
      judge(10, [
        [1, NOTHING],
        [300, NOTHING],
      ]),
    ).toEqual({
      healthy: false,
      reason: "no receipt within 300 s, although the release before got some",
    });
  });

  test("confirmed without one when the release before had none either: a cable may be unplugged", () => {
    const verdict = judge(null, [
      [1, SILENT],
      [2, NOTHING],
    ]);
    expect(verdict).toMatchObject({ healthy: true });
    expect(verdict!.reason).toContain("none came to the release before either");
    expect(judge(301, [[2, NOTHING]])).toMatchObject({ healthy: true });
  });

  test("confirmed at the end when the collector is reached and nothing waits: sensors may send seldom", () => {
    expect(
      judge(10, [
        [1, IDLE],
        [299, IDLE],
      ]),
    ).toBeUndefined();
    expect(judge(10, [[300, IDLE]])).toMatchObject({ healthy: true });
    // What was idle and has something now that no receipt comes for is not.
    expect(
      judge(10, [
        [299, IDLE],
        [300, NOTHING],
      ]),
    ).toMatchObject({ healthy: false });
  });

  test("given up when its gateway never answers, whatever was before", () => {
    for (const before of [null, 10])
      expect(
        judge(before, [
          [1, SILENT],
          [300, SILENT],
        ]),
      ).toEqual({
        healthy: false,
        reason: "the gateway did not answer within 300 s",
      });
  });

  test("always judged once its time is over, and never given up after a receipt", () => {
    const event = fc.constantFrom(SILENT, NOTHING, IDLE, RECEIPT);
    const before = fc.option(fc.nat(1000), { nil: null });
    fc.assert(
      fc.property(before, fc.array(fc.tuple(fc.nat(299), event)), event, (receiptBeforeS, events, last) => {
        const sorted = events.toSorted(([a], [b]) => a - b);
        const verdict = judge(receiptBeforeS, [...sorted, [300, last]]);
        expect(verdict).toBeDefined();
        if ([...sorted.map(([, one]) => one), last].includes(RECEIPT)) expect(verdict!.healthy).toBe(true);
        else if (receiptBeforeS !== null && receiptBeforeS <= 300 && last !== IDLE)
          expect(verdict!.healthy).toBe(false);
      }),
    );
  });
});
