import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { readMessage } from "@paddock/wire/coap-message.ts";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { scenarioOf } from "../testing/scenarios.ts";
import type { Scenario } from "../scenario/schema.ts";
import { Heap } from "./heap.ts";
import { makePlan } from "./plan.ts";
import type { PlannedFrame } from "./planned-frame.ts";
import { sourceAddress } from "./source-address.ts";
import { traceHash, traceOf } from "./trace.ts";

function framesOf(scenario: Scenario, seed = 1): PlannedFrame[] {
  return [...makePlan({ scenario, seed }).frames];
}

function hashOf(scenario: Scenario, seed: number, clockMs?: number): string {
  return traceHash(traceOf(makePlan({ scenario, seed, ...(clockMs === undefined ? {} : { clockMs }) }).frames));
}

const everything = scenarioOf(
  {
    count: 5,
    cadence: "20ms",
    jitter: "5ms",
    keyed: true,
    sources: ["::1", "::1"],
    blockBytes: 64,
    churn: { online: "300ms", offline: "100ms" },
    model: { kind: "random-walk", name: "flow", initial: 3, step: 1 },
    clock: { skew: "1h", driftPpm: 100, without: 0.5 },
    faults: {
      duplicate: 0.1,
      malformedCbor: 0.1,
      truncatedCbor: 0.1,
      wrongFormat: 0.1,
      replay: 0.1,
      badTag: 0.1,
      stuckValue: 0.05,
      reboot: 0.1,
      abandonedBlocks: 0.1,
    },
  },
  { timeline: [{ at: "500ms", for: "100ms", rate: 0, reboot: true, spread: "50ms" }] },
);

function framesOfUnit(frames: readonly PlannedFrame[]) {
  return frames
    .filter(({ sensor }) => sensor.startsWith("unit"))
    .map(({ atUs, frame }) => [atUs, Buffer.from(frame).toString("hex")]);
}

describe("a seed", () => {
  test("gives the same datagrams at the same times, every time", () => {
    expect(hashOf(everything, 7)).toBe(hashOf(everything, 7));
  });

  test("gives what it always gave: a change here breaks every seed that anybody wrote down", () => {
    expect(hashOf(scenarioOf({}), 1)).toBe("b6153389be024c2cee773aa915fdd5c4f703984dc0d82f38e5cc5a4cd62a13ce");
    expect(hashOf(everything, 1)).toBe("415f8fd85fe025aca37f762bd7104ad2a672b8c99610acb9ec0e0fc892c3c8bf");
  });

  test("gives a sine what it always gave", () => {
    const sine = scenarioOf({
      model: { kind: "sine", name: "level", mean: 20, amplitude: 5, period: "700ms", noise: 0.5 },
    });
    expect(hashOf(sine, 1)).toBe("b2aa96af3fa7ff01c1a98c078819b394837bd7f9fa800c1140a2ab32aad0874e");
  });

  test("another seed or another clock gives others", () => {
    const hashes = [hashOf(everything, 1), hashOf(everything, 2), hashOf(everything, 1, Date.UTC(2026, 5, 1))];
    expect(new Set(hashes).size).toBe(3);
  });

  test("a fleet's frames do not depend on the fleets beside it", () => {
    const alone = scenarioOf({ jitter: "50ms" });
    const beside = { ...alone, fleets: [...alone.fleets, { ...alone.fleets[0]!, name: "other", count: 3 }] };
    expect(framesOfUnit(framesOf(beside))).toEqual(framesOfUnit(framesOf(alone)));
  });
});

describe("frames", () => {
  test("come in order of time, within the run, and each is unique", () => {
    const frames = framesOf(everything).filter(({ kind }) => kind !== "replay" && kind !== "truncated-cbor");
    expect(frames.length).toBeGreaterThan(100);
    expect(new Set(frames.map(({ frame }) => Buffer.from(frame).toString("hex"))).size).toBe(frames.length);
    for (const [index, { atUs }] of frames.entries()) {
      expect(atUs).toBeLessThan(1_000_000);
      expect(atUs).toBeGreaterThanOrEqual(frames[index - 1]?.atUs ?? 0);
    }
  });

  test.each([112, 113] as const)("of format %i are SenML with the sensor's name, time and value", (format) => {
    const [frame] = framesOf(scenarioOf({ format, frameBytes: 100 }));
    expect(frame!.frame.length).toBe(100);
    const readings = resolveSenml(frame!.frame, { now: 0 });
    if (!readings.ok) throw new Error(readings.detail);
    expect(readings.value.map(({ name }) => name)).toEqual(
      ["unit-0:seq", "unit-0:level", "unit-0:pad"].map((name) => name.replace("unit-0", frame!.sensor)),
    );
    expect(readings.value[1]).toMatchObject({ unit: "m", value: 1.25 });
    expect(readings.value[1]!.time).toBeCloseTo(Date.UTC(2026, 0, 1) / 1000 + frame!.atUs / 1e6, 5);
  });

  test.each([
    ["lane", "alarm", ["i", "alarm"]],
    ["/i", "telemetry", ["i"]],
    ["/dp", "telemetry", ["dp"]],
  ])("with path %s go where it says", (path, lane, segments) => {
    const [frame] = framesOf(scenarioOf({ path, lane }));
    const message = readMessage(frame!.sendings[0]!.datagrams[0]!);
    if (!message.ok) throw new Error(message.detail);
    const found = message.value.options.filter(({ number }) => number === OPTION_URI_PATH);
    expect(found.map(({ value }) => Buffer.from(value).toString())).toEqual(segments);
  });

  test("of an event model come only when it happens", () => {
    const model = { kind: "event", name: "open", probability: 0.1 };
    const frames = framesOf(scenarioOf({ count: 20, cadence: "1ms", model }));
    expect(frames.length).toBeGreaterThan(1500);
    expect(frames.length).toBeLessThan(2500);
  });

  test("are as large as the fill asks for", () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 61_440 }), (frameBytes) => {
        const [frame] = framesOf(scenarioOf({ count: 1, frameBytes }));
        // Where a CBOR head grows by a byte, the exact size may not exist.
        expect(frame!.frame.length - frameBytes).toBeGreaterThanOrEqual(0);
        expect(frame!.frame.length - frameBytes).toBeLessThanOrEqual(12);
      }),
      { numRuns: 50 },
    );
  });
});

describe("schedules", () => {
  test("a fleet ramps up, starts and stops when it should", () => {
    const frames = framesOf(scenarioOf({ count: 10, start: "200ms", ramp: "500ms", stop: "800ms", cadence: "10ms" }));
    const first = new Map<string, number>();
    for (const { sensor, atUs } of frames) if (!first.has(sensor)) first.set(sensor, atUs);
    expect([...first.values()]).toEqual(Array.from({ length: 10 }, (_, index) => 200_000 + index * 50_000));
    expect(Math.max(...frames.map(({ atUs }) => atUs))).toBeLessThan(800_000);
  });

  test("silence is silent, and everybody comes back restarted within the spread", () => {
    const timeline = [{ at: "400ms", for: "200ms", rate: 0, spread: "50ms", reboot: true }];
    const frames = framesOf(scenarioOf({ count: 20 }, { timeline }));
    expect(frames.filter(({ atUs }) => atUs >= 400_000 && atUs < 600_000)).toEqual([]);
    const back = frames.filter(({ atUs }) => atUs >= 600_000 && atUs < 650_000);
    expect(back.length).toBe(20);
    expect(new Set(back.map(({ kind }) => kind))).toEqual(new Set(["reboot"]));
  });

  test("a rate of 5 sends five times as much", () => {
    const timeline = [{ at: "0s", for: "500ms", rate: 5 }];
    const frames = framesOf(scenarioOf({ count: 20, cadence: "50ms" }, { timeline }));
    const during = frames.filter(({ atUs }) => atUs < 500_000).length;
    expect(during / (frames.length - during)).toBeGreaterThan(4);
  });

  test("churn takes sensors away for about as long as it says", () => {
    const churn = { online: "100ms", offline: "100ms" };
    const count = framesOf(scenarioOf({ count: 100, cadence: "10ms", churn }, { duration: "4s" })).length;
    expect(count / framesOf(scenarioOf({ count: 100, cadence: "10ms" }, { duration: "4s" })).length).toBeCloseTo(
      0.5,
      1,
    );
  });
});

test("a prefix gives each sensor its address", () => {
  expect(sourceAddress("fd00:1::/64", 0)).toBe("fd00:1::1");
  expect(sourceAddress("fd00:1::ffff/64", 0)).toBe("fd00:1::1:0");
  expect(sourceAddress("::1", 5)).toBe("::1");
});

test("the heap sorts", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (values) => {
      const heap = new Heap<number>((left, right) => left < right);
      for (const value of values) heap.push(value);
      expect(values.map(() => heap.pop())).toEqual(values.toSorted((left, right) => left - right));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});
