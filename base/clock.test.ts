import { describe, expect, test } from "vitest";
import { systemClock, VirtualClock } from "./clock.ts";

describe("VirtualClock", () => {
  test("moves only when told to, monotonic and wall together", () => {
    const clock = new VirtualClock({ wallMs: 1000, monotonicUs: 500 });
    expect([clock.monotonicUs(), clock.wallMs()]).toEqual([500, 1000]);
    clock.advance(2.5);
    expect([clock.monotonicUs(), clock.wallMs()]).toEqual([3000, 1002]);
  });

  test("a wall step leaves monotonic time alone", () => {
    const clock = new VirtualClock({ wallMs: 0 });
    clock.stepWall(-5000);
    expect([clock.monotonicUs(), clock.wallMs()]).toEqual([0, -5000]);
  });

  test("timers fire in order of due time, then of creation, at their time", () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name}@${clock.monotonicUs() / 1000}`);
    clock.after(20, note("late"));
    clock.after(10, note("first"));
    clock.after(10, note("second"));
    clock.after(31, note("too late"));
    clock.advance(30);
    expect(fired).toEqual(["first@10", "second@10", "late@20"]);
    expect(clock.monotonicUs()).toBe(30_000);
  });

  test("a timer that is set while another fires still fires on the way", () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const again = () => {
      fired.push(clock.monotonicUs() / 1000);
      clock.after(10, again);
    };
    clock.after(10, again);
    clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
  });

  test("a cancelled timer does not fire, and a negative delay is now", () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.after(1, () => fired.push("cancelled")).cancel();
    clock.after(-5, () => fired.push("now"));
    clock.advance(0);
    expect(fired).toEqual(["now"]);
    clock.advance(10);
    expect(fired).toEqual(["now"]);
  });
});

test("the system's monotonic clock is whole microseconds and never goes back", () => {
  let before = systemClock.monotonicUs();
  for (let round = 0; round < 1000; round++) {
    const now = systemClock.monotonicUs();
    expect(Number.isSafeInteger(now) && now >= before).toBe(true);
    before = now;
  }
});
