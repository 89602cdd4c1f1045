import { describe, expect, test } from "vitest";
import { FORWARDING_CASES, measureForwarding } from "./testing/forwarding-cases.ts";
import { LinkSimulation } from "./testing/link-simulation.ts";

describe("forwarding over long and lossy links", () => {
  test.each(FORWARDING_CASES.filter(({ target }) => target !== undefined))(
    "$what: $target.is $target.value",
    (one) => {
      const value = measureForwarding(one, { seeds: 2, seconds: 30 });
      if (one.target!.is === "at most") expect(value).toBeLessThanOrEqual(one.target!.value);
      else expect(value).toBeGreaterThanOrEqual(one.target!.value);
    },
    60_000,
  );

  test("an alarm finds a request of its own, however full the link is of telemetry", () => {
    const simulation = openLink({ oneWayMs: 250, loss: 0 });
    simulation.load(1, 1400, 6, 20_000).load(0, 0.5, 2000, 20_000).pass(21_000);
    // The length of the link, reading it from the disk, and nothing else.
    expect(Math.max(...simulation.delays[0])).toBeLessThan(255);
  });

  test("small requests leave evenly: no pause of a round trip in which none does", () => {
    const simulation = openLink({ oneWayMs: 250, loss: 0 });
    simulation.load(1, 1400, 6, 10_000).pass(3000);
    let longest = 0;
    let [last, lastMs] = [simulation.requests.get("sat")!, simulation.nowMs];
    for (let step = 0; step < 5000; step++) {
      simulation.pass(1);
      const now = simulation.requests.get("sat")!;
      if (now === last) continue;
      longest = Math.max(longest, simulation.nowMs - lastMs);
      [last, lastMs] = [now, simulation.nowMs];
    }
    expect(longest).toBeLessThan(100);
  });

  test("on a link that is full an alarm waits for little, as little is on its way", () => {
    const simulation = openLink({ oneWayMs: 40, loss: 0, bytesPerMs: 29 });
    simulation.load(1, 1400, 6, 30_000).load(0, 2, 500, 30_000).pass(30_000);
    const sorted = simulation.delays[0].toSorted((a, b) => a - b);
    expect(sorted[sorted.length >> 1]).toBeLessThan(700);
  });

  test("on a short link there are no more requests than one for each answer", () => {
    const simulation = openLink({ oneWayMs: 0.3, loss: 0 });
    simulation.load(1, 10_000, 2, 10_000);
    let most = 0;
    for (let step = 0; step < 10_000; step++) {
      simulation.pass(1);
      most = Math.max(most, simulation.state.flights.size);
    }
    expect(most).toBeLessThanOrEqual(2);
  });
});

function openLink(link: { oneWayMs: number; loss: number; bytesPerMs?: number }): LinkSimulation {
  const config = { name: "sat", endpoint: "https://[::1]:8443", preference: 100 };
  return new LinkSimulation([{ config, link }], { seed: 7 }).pass(5 * link.oneWayMs + 2000);
}
