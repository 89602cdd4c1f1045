import { expect, test } from "vitest";
import { REPLAY_WINDOW_WIDTH } from "@paddock/wire/replay-window.ts";
import { ReplayGuard } from "./replay-guard.ts";
import { decodeReplayState, REMEMBERED_TAGS } from "./replay-state.ts";

const FINGERPRINT = Buffer.from("8 bytes!");
const tagOf = (sequence: number): string => sequence.toString(16).padStart(16, "0");

/** What a gateway knows that died after the write of `frames` frames of one sensor and before their answers. */
function afterDeathWith(frames: number): ReplayGuard {
  const guard = new ReplayGuard(FINGERPRINT);
  let state: Uint8Array = Buffer.alloc(0);
  for (let sequence = 0; sequence < frames; sequence++) ({ state } = guard.begin(sequence, tagOf(sequence), 1));
  return new ReplayGuard(FINGERPRINT, [[1, decodeReplayState(state, FINGERPRINT)!]]);
}

test.each([1, REMEMBERED_TAGS + 1, 20, REPLAY_WINDOW_WIDTH])(
  "copies of all %i frames that one batch had are known after a restart",
  (frames) => {
    const guard = afterDeathWith(frames);
    const verdicts = Array.from({ length: frames }, (_, sequence) => guard.judge(sequence, tagOf(sequence)));
    expect(new Set(verdicts)).toEqual(new Set(["stored"]));
    expect(guard.judge(0, tagOf(99))).toBe("refused");
  },
);

test("a state stays within its bound, however many frames are under way", () => {
  const guard = afterDeathWith(3 * REPLAY_WINDOW_WIDTH);
  expect(guard.size).toBeLessThanOrEqual(REPLAY_WINDOW_WIDTH);
  expect(guard.judge(3 * REPLAY_WINDOW_WIDTH - 1, tagOf(3 * REPLAY_WINDOW_WIDTH - 1))).toBe("stored");
});

test("the state of a lane has what is durable and what is under way in it, and nothing of another lane", () => {
  const guard = new ReplayGuard(FINGERPRINT);
  for (const [sequence, lane] of [
    [0, 1],
    [1, 0],
  ] as const) {
    guard.settle(guard.begin(sequence, tagOf(sequence), lane).frame, undefined);
  }
  const refused = guard.begin(2, tagOf(2), 1).frame;
  guard.settle(refused, { reason: "store-full", retryAfterS: 1 });
  guard.begin(3, tagOf(3), 0);
  const { state } = guard.begin(4, tagOf(4), 1);
  const { tags } = decodeReplayState(state, FINGERPRINT)!;
  expect([...tags]).toEqual([
    [0, tagOf(0)],
    [4, tagOf(4)],
  ]);
  const after = new ReplayGuard(FINGERPRINT, [[1, decodeReplayState(state, FINGERPRINT)!]]);
  expect([0, 1, 2, 3, 4].map((sequence) => after.judge(sequence, tagOf(sequence)))).toEqual([
    "stored",
    "new",
    "new",
    "new",
    "stored",
  ]);
});

test("what a lane had before a start is in the state that it writes after it", () => {
  const frames = REMEMBERED_TAGS + 2;
  const after = afterDeathWith(frames);
  // Its tag is old enough to be no longer written, so that the window alone knows of it.
  const { frame, state } = after.begin(frames, tagOf(frames), 1);
  expect(decodeReplayState(state, FINGERPRINT)!.window).toMatchObject({ highest: frames });
  const again = new ReplayGuard(FINGERPRINT, [[1, decodeReplayState(state, FINGERPRINT)!]]);
  expect(again.judge(0, tagOf(0))).not.toBe("new");
  expect(frame.lane).toBe(1);
});

test.each([
  [0, 1],
  [1, 0],
] as const)("what two lanes wrote is known of both, whichever is further: lanes %i, %i", (...lanes) => {
  const guard = new ReplayGuard(FINGERPRINT);
  const states = lanes.map((lane, index) => {
    let state: Buffer = Buffer.alloc(0);
    for (const sequence of [index, 60 + index, 62 + 40 * index])
      ({ state } = guard.begin(sequence, tagOf(sequence), lane));
    return [lane, decodeReplayState(state, FINGERPRINT)!] as const;
  });
  for (const order of [states, states.toReversed()]) {
    const after = new ReplayGuard(FINGERPRINT, order);
    const known = Array.from({ length: 104 }, (_, sequence) => sequence).filter(
      (sequence) => after.judge(sequence, tagOf(sequence)) === "stored",
    );
    // 102 is the highest, and its window begins at 39.
    expect([after.highest, known]).toEqual([102, [60, 61, 62, 102]]);
    expect(after.judge(38, tagOf(38))).toBe("refused");
  }
});
