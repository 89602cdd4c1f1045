import { describe, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import { DeliveryQueue } from "./delivery.ts";
import { CLEAN, LinkDirection, type Impairment } from "./impairment.ts";

function directionOf(impairment: Partial<Impairment>, seed = 1): LinkDirection {
  return new LinkDirection({ ...CLEAN, ...impairment }, seededRandom(seed));
}

/** How often each of many datagrams arrives over a link that loses and doubles. */
function countsOf(seed: number): number[] {
  const direction = directionOf({ lossRate: 0.2, duplicateRate: 0.1 }, seed);
  return Array.from({ length: 10_000 }, () => direction.datagram(100, 0).length);
}

describe("datagrams", () => {
  test("arrive at once over a clean link", () => {
    expect(directionOf({}).datagram(100, 5)).toEqual([5]);
  });

  test("are delayed, with jitter around it", () => {
    const direction = directionOf({ delayMs: 50, jitterMs: 10 });
    const arrivals = Array.from({ length: 1000 }, () => direction.datagram(100, 0)[0]!);
    expect(Math.min(...arrivals)).toBeGreaterThanOrEqual(40);
    expect(Math.max(...arrivals)).toBeLessThanOrEqual(60);
    expect(new Set(arrivals).size).toBeGreaterThan(900);
  });

  test("are lost and doubled as often as it says, by the seed", () => {
    const arrivals = countsOf(1);
    expect(arrivals.filter((count) => count === 0).length / 10_000).toBeCloseTo(0.2, 1);
    expect(arrivals.filter((count) => count === 2).length / 8_000).toBeCloseTo(0.1, 1);
    expect(countsOf(1)).toEqual(arrivals);
    expect(countsOf(2)).not.toEqual(arrivals);
  });

  test("queue for the rate, and are dropped behind a full queue", () => {
    const direction = directionOf({ rateBitPerS: 8000, queueBytes: 250 });
    expect(direction.datagram(100, 0)).toEqual([100]);
    expect(direction.datagram(100, 0)).toEqual([200]);
    expect(direction.datagram(100, 0)).toEqual([300]);
    expect(direction.datagram(100, 0)).toEqual([]);
    expect(direction.datagram(100, 1000)).toEqual([1100]);
  });
});

describe("pieces of a stream", () => {
  test("arrive in order, whatever the jitter", () => {
    const direction = directionOf({ delayMs: 20, jitterMs: 20 });
    let last = 0;
    for (let count = 0; count < 1000; count++) {
      const arrives = direction.piece(100, count, last);
      expect(arrives).toBeGreaterThanOrEqual(last);
      last = arrives;
    }
  });

  test("are never lost: a lost segment costs a round trip", () => {
    expect(directionOf({ delayMs: 20, lossRate: 1 }).piece(100, 0, 0)).toBe(60);
    expect(directionOf({ lossRate: 1 }).piece(100, 0, 0)).toBe(10);
  });
});

test("the delivery queue calls back in order, at the time, with one timer", () => {
  const clock = new VirtualClock();
  const queue = new DeliveryQueue(clock);
  const calls: string[] = [];
  queue.at(queue.nowMs + 20, () => calls.push("late"));
  queue.at(queue.nowMs + 10, () => calls.push("soon"));
  queue.at(queue.nowMs + 10, () => calls.push("soon, second"));
  clock.advance(9);
  expect(calls).toEqual([]);
  clock.advance(1);
  expect(calls).toEqual(["soon", "soon, second"]);
  // Something older waits, so this one does not overtake it although it is due.
  queue.at(queue.nowMs, () => calls.push("now"));
  clock.advance(10);
  expect(calls).toEqual(["soon", "soon, second", "now", "late"]);
  queue.at(queue.nowMs, () => calls.push("at once"));
  expect(calls.at(-1)).toBe("at once");
});
