import { describe, expect, test } from "vitest";
import {
  decodeReplayWindow,
  EMPTY_REPLAY_WINDOW,
  encodeReplayWindow,
  judgeSequence,
  recordSequence,
  REPLAY_WINDOW_BYTES,
  REPLAY_WINDOW_WIDTH,
} from "./replay-window.ts";
import { fc } from "./testing/fast-check.ts";

/** Steps that stay near each other, with a leap now and then. */
const sequences = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: -70, max: 40 }) },
      { weight: 1, arbitrary: fc.integer({ min: 60, max: 1e9 }) },
    ),
    {
      maxLength: 80,
    },
  )
  .chain((steps) => fc.constantFrom(0, 20, 2 ** 32 - 10, 2 ** 39).map((start) => ({ start, steps })))
  .map(({ start, steps }) => {
    let at = start;
    return steps.map((step) => (at = Math.max(0, at + step)));
  });

describe("replay window", () => {
  test("agrees with a set that remembers everything within 64 of the highest", () => {
    fc.assert(
      fc.property(sequences, (numbers) => {
        const seen = new Set<number>();
        let window = EMPTY_REPLAY_WINDOW;
        for (const sequence of numbers) {
          const highest = Math.max(-1, ...seen);
          const expected = sequence <= highest - REPLAY_WINDOW_WIDTH ? "old" : seen.has(sequence) ? "duplicate" : "new";
          expect(judgeSequence(window, sequence)).toBe(expected);
          const before = { ...window };
          const after = recordSequence(window, sequence);
          expect(window).toEqual(before);
          if (expected !== "new") expect(after).toEqual(window);
          window = after;
          seen.add(sequence);
          const bytes = encodeReplayWindow(window);
          expect(bytes).toHaveLength(REPLAY_WINDOW_BYTES);
          expect(decodeReplayWindow(bytes)).toEqual({ ok: true, value: window });
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([0, 1, 31, 32, 33, 62, 63])("a number %i below the highest is still known", (age) => {
    const window = recordSequence(recordSequence(EMPTY_REPLAY_WINDOW, 100), 100 + age);
    expect(judgeSequence(window, 100)).toBe("duplicate");
    expect(judgeSequence(window, 99)).toBe(age === 63 ? "old" : "new");
  });

  test.each([1, 31, 32, 33, 63, 64, 65, 1000])(
    "after a leap of %i the numbers that were leapt over are new",
    (leap) => {
      let window = EMPTY_REPLAY_WINDOW;
      for (let sequence = 0; sequence <= 100; sequence++) window = recordSequence(window, sequence);
      window = recordSequence(window, 100 + leap);
      for (let age = 1; age < REPLAY_WINDOW_WIDTH; age++) {
        const sequence = 100 + leap - age;
        expect([sequence, judgeSequence(window, sequence)]).toEqual([sequence, sequence <= 100 ? "duplicate" : "new"]);
      }
    },
  );

  test("the ends of what a window can say survive its encoding", () => {
    const first = recordSequence(EMPTY_REPLAY_WINDOW, 100);
    const steps = recordSequence(recordSequence(first, 132), 163);
    expect(steps).toEqual({ highest: 163, low: 2 ** 31 + 1, high: 2 ** 31 });
    const last = recordSequence(EMPTY_REPLAY_WINDOW, 2 ** 40 - 1);
    for (const window of [
      steps,
      last,
      recordSequence(first, 163),
      recordSequence(first, 69),
      recordSequence(first, 37),
    ]) {
      expect(decodeReplayWindow(encodeReplayWindow(window))).toEqual({ ok: true, value: window });
    }
  });

  test("an empty window takes 0, and survives its encoding", () => {
    expect(judgeSequence(EMPTY_REPLAY_WINDOW, 0)).toBe("new");
    expect(decodeReplayWindow(encodeReplayWindow(EMPTY_REPLAY_WINDOW))).toEqual({
      ok: true,
      value: EMPTY_REPLAY_WINDOW,
    });
  });

  test.each([
    ["15 bytes", "00".repeat(15)],
    ["a highest number that was not seen", "00000000000000050000000000000002"],
    ["a highest number and nothing seen", "00000000000000050000000000000000"],
    ["numbers below zero", "00000000000000050000000000000041"],
    ["numbers below zero in the upper half", "00000000000000220000000800000001"],
    ["a number above 2^40-1", "00000100000000000000000000000001"],
    ["bits of an empty window", "ffffffffffffffff0000000000000001"],
    ["a negative number", "fffffffffffffffe0000000000000001"],
  ])("%s are no window", (_, hex) => {
    expect(decodeReplayWindow(Buffer.from(hex, "hex"))).toMatchObject({ ok: false, reason: "replay-window" });
  });
});
