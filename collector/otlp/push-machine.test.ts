import { describe, expect, test } from "vitest";
import { countedSinceMs, startPushes, stepPushes, type PushMachine, type PushOutcome } from "./push-machine.ts";
import { outcomeOf, retryAfterMs } from "./push-outcome.ts";
import { message, text, varint } from "./protobuf.ts";

const MINUTE = 60_000;
const taken: PushOutcome = { is: "taken", rejected: 0, message: "" };
const answer = (status: number, retryAfter?: string, body: Buffer = Buffer.alloc(0)) =>
  outcomeOf({ status, retryAfter, body }, 0);

function after(outcomes: readonly PushOutcome[], chance = 0) {
  let machine: PushMachine = startPushes(MINUTE);
  return outcomes.map((outcome) => {
    const step = stepPushes(machine, outcome, chance);
    machine = step.machine;
    return step;
  });
}

describe("pushes", () => {
  test("come at their interval, and nobody is told that all is well", () => {
    expect(after([taken, taken])).toMatchObject([
      { nextInMs: MINUTE, tell: undefined },
      { nextInMs: MINUTE, tell: undefined },
    ]);
  });

  test("that fail are tried again after a time that doubles up to five minutes, with chance in half of it", () => {
    const failed = Array.from({ length: 40 }, () => answer(503));
    const least = after(failed).map(({ nextInMs }) => nextInMs);
    expect(least.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    expect(least.at(-1)).toBe(150_000);
    expect(after(failed, 0.5).map(({ nextInMs }) => nextInMs)).toEqual(least.map((ms) => ms * 1.5));
  });

  test("wait as long as the receiver asks for, up to an hour", () => {
    expect(after([answer(429, "20")])[0]!.nextInMs).toBe(20_000);
    expect(after([answer(429, "86400")])[0]!.nextInMs).toBe(3_600_000);
  });

  test("are tried again for 429, 502, 503 and 504, and for no other answer", () => {
    const again = Array.from({ length: 300 }, (_, index) => 300 + index).filter(
      (status) => answer(status).is === "failed",
    );
    expect(again).toEqual([429, 502, 503, 504]);
    expect(after([answer(400)])[0]).toMatchObject({ nextInMs: MINUTE, tell: "refused" });
    expect(after([answer(503), answer(400), answer(503)])[2]!.nextInMs).toBe(500);
  });

  test("tell each new problem once, and that it is over", () => {
    const partial: PushOutcome = { is: "taken", rejected: 2, message: "too old" };
    const steps = after([answer(503), answer(503), answer(400), partial, partial, taken, taken]);
    expect(steps.map(({ tell }) => tell)).toEqual([
      "failed",
      undefined,
      "refused",
      "partial",
      undefined,
      "restored",
      undefined,
    ]);
    expect(after([{ is: "taken", rejected: 1, message: "" }])[0]!.tell).toBe("partial");
  });
});

describe("an answer", () => {
  test("that all is well may say what was not taken", () => {
    const body = message(1, [varint(1, 3), text(2, "three\nare \u001b[31mold")]);
    expect(answer(200, undefined, body)).toEqual({ is: "taken", rejected: 3, message: "three are \uFFFD[31mold" });
    expect(answer(200)).toEqual(taken);
    expect(answer(200, undefined, Buffer.from("<html>"))).toEqual(taken);
  });

  test("that it is not may say why", () => {
    const body = Buffer.concat([varint(1, 3), text(2, "no such tenant")]);
    expect(answer(400, undefined, body)).toEqual({ is: "refused", message: "it answers 400: no such tenant" });
    expect(answer(301)).toEqual({ is: "refused", message: "it answers 301, which is not followed" });
  });

  test("names a time to come again in seconds or as a date", () => {
    expect(retryAfterMs("120", 0)).toBe(120_000);
    expect(retryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT", 946_684_789_000)).toBe(10_000);
    expect(retryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT", 2_000_000_000_000)).toBe(0);
    for (const other of ["soon", "-1", "1.5", "", "2026-01-01"]) expect(retryAfterMs(other, 0), other).toBeUndefined();
  });
});

describe("counters count", () => {
  test("since one moment, while the clock goes as it did", () => {
    expect(countedSinceMs(1_000_000, 1_090_000, 90_000)).toBe(1_000_000);
    expect(countedSinceMs(1_000_000, 1_090_400, 90_000)).toBe(1_000_000);
  });

  test("since a moment of the clock as it is, once somebody set it", () => {
    expect(countedSinceMs(1_000, 1_800_000_000_000, 90_000)).toBe(1_799_999_910_000);
    expect(countedSinceMs(1_800_000_000_000, 1_700_000_000_000, 5_000)).toBe(1_699_999_995_000);
    // Less than a minute back, right after the start.
    expect(countedSinceMs(1_000_000, 990_000, 100)).toBe(990_000);
  });
});
