import { VirtualClock } from "@paddock/base/clock.ts";
import { describe, expect, test } from "vitest";
import type { Ballast } from "./ballast.ts";
import { SpaceGuard } from "./space-guard.ts";

const FLOOR = 1_000_000;
const MAX = 1_600_000;
/** A sixteenth of `MAX`. */
const RESERVE = 100_000;

class FakeBallast {
  readonly bytes = 300_000;
  held = true;
  release(): void {
    this.held = false;
  }
  reserve(): Promise<void> {
    this.held = true;
    return Promise.resolve();
  }
}

function guardOver(free: { bytes: number }, ballast?: FakeBallast) {
  const clock = new VirtualClock();
  let asked = 0;
  const look = (): number => {
    asked++;
    return free.bytes;
  };
  const limits = { maxBytes: MAX, minFreeBytes: FLOOR };
  const guard = new SpaceGuard(limits, look, ballast as unknown as Ballast | undefined, clock);
  return { guard, clock, asked: () => asked };
}

describe("the quota", () => {
  test("is exact, and its last part is for what makes room", () => {
    const { guard } = guardOver({ bytes: 100 * FLOOR });
    guard.account(MAX - RESERVE - 1000);
    expect(guard.bytes).toBe(MAX - RESERVE - 1000);
    expect(guard.refusal(1000, 1000, false)).toBeUndefined();
    expect(guard.refusal(1001, 1001, false)?.shortage).toEqual({
      cause: "quota",
      wantedBytes: 1001,
      heldBytes: MAX - RESERVE - 1000,
      maxBytes: MAX,
    });
    expect(guard.refusal(RESERVE + 1000, 1, true)).toBeUndefined();
    expect(guard.refusal(RESERVE + 1001, 1, true)?.shortage.cause).toBe("quota");
    expect(guard.quotaExcess(1001, false)).toBe(1);
    expect(guard.quotaExcess(RESERVE + 1001, true)).toBe(1);
  });

  test("refuses nothing that takes no room, even over it", () => {
    const { guard } = guardOver({ bytes: 100 * FLOOR });
    guard.account(MAX + 1);
    expect(guard.refusal(0, 500, false)).toBeUndefined();
    expect(guard.refusal(-1, 500, false)).toBeUndefined();
    expect(guard.refusal(1, 500, false)).toBeDefined();
  });

  test("what was deleted is room again", () => {
    const { guard } = guardOver({ bytes: 100 * FLOOR });
    guard.account(MAX);
    guard.account(-RESERVE - 1000);
    expect(guard.refusal(1000, 1000, false)).toBeUndefined();
  });
});

describe("the free space of the disk", () => {
  test("the floor is exact, and its lower half is for what makes room", () => {
    const free = { bytes: FLOOR + 1000 };
    const { guard, clock } = guardOver(free);
    expect(guard.refusal(1, 1000, false)).toBeUndefined();
    expect(guard.refusal(1, 1001, false)?.shortage).toEqual({
      cause: "disk",
      wantedBytes: 1001,
      freeBytes: FLOOR + 1000,
      minFreeBytes: FLOOR,
    });
    expect(guard.refusal(1, FLOOR / 2 + 1000, true)).toBeUndefined();
    expect(guard.refusal(1, FLOOR / 2 + 1001, true)?.shortage.cause).toBe("disk");
    free.bytes = 0;
    clock.advance(1000);
    expect(guard.refusal(0, 1, true)?.shortage.cause).toBe("disk");
    expect(guard.refusal(0, 0, false)).toBeUndefined();
  });

  test("what was written since the last look counts twice: the log and the table that it moves to", () => {
    const free = { bytes: 10 * FLOOR };
    const { guard, asked } = guardOver(free);
    expect(guard.free()).toBe(10 * FLOOR);
    guard.account(400_000);
    guard.account(-50_000);
    expect(guard.free()).toBe(10 * FLOOR - 800_000);
    expect(asked()).toBe(1);
  });

  test("is looked at again when what was written, or comes, may have brought it to the floor", () => {
    const free = { bytes: 10 * FLOOR };
    const { guard, asked } = guardOver(free);
    guard.free();
    guard.account(3 * FLOOR);
    // 10 - 2 * 3 - 2 * 1.5 is the floor itself.
    guard.free(1.5 * FLOOR);
    expect(asked()).toBe(1);
    free.bytes = 3 * FLOOR;
    expect(guard.free(1.5 * FLOOR + 1)).toBe(3 * FLOOR);
    expect(asked()).toBe(2);
    // The count of what was written began anew.
    expect(guard.free()).toBe(3 * FLOOR);
    expect(asked()).toBe(2);
  });

  test("is looked at again after a second", () => {
    const free = { bytes: 10 * FLOOR };
    const { guard, clock, asked } = guardOver(free);
    clock.advance(60_000);
    guard.free();
    clock.advance(999);
    guard.free();
    expect(asked()).toBe(1);
    clock.advance(1);
    free.bytes = 5 * FLOOR;
    expect(guard.free()).toBe(5 * FLOOR);
    expect(asked()).toBe(2);
  });
});

describe("the ballast", () => {
  test("is given up when what comes would go below the floor, and is not for new frames then", () => {
    const free = { bytes: FLOOR + 500 };
    const ballast = new FakeBallast();
    const { guard } = guardOver(free, ballast);
    expect(guard.refusal(1, 500, false)).toBeUndefined();
    expect(ballast.held).toBe(true);
    expect(guard.refusal(1, 501, false)).toBeDefined();
    expect(ballast.held).toBe(false);
    free.bytes = FLOOR + ballast.bytes + 500;
    expect(guard.refusal(1, 501, false)).toBeDefined();
    // The time has not come to look again: below the floor every question looks.
    expect(guard.refusal(1, 501, true)).toBeUndefined();
  });

  test("is taken back when there is room for it twice over the floor", () => {
    const free = { bytes: 0 };
    const ballast = new FakeBallast();
    const { guard } = guardOver(free, ballast);
    guard.measure();
    expect(ballast.held).toBe(false);
    free.bytes = FLOOR + 2 * ballast.bytes;
    guard.measure();
    expect(ballast.held).toBe(false);
    free.bytes += 1;
    guard.measure();
    expect(ballast.held).toBe(true);
  });
});
