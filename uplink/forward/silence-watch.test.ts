import { describe, expect, test } from "vitest";
import type { PathConfig } from "../paths/path-config.ts";
import { LinkSimulation, type LinkShape } from "./testing/link-simulation.ts";

const endpoint = "https://[::1]:8443";
const FIBRE: PathConfig = { name: "fibre", endpoint, preference: 100 };
const LTE: PathConfig = { name: "lte", endpoint, preference: 10 };
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

/** Both paths are up for their watcher, and the first carries telemetry and alarms. */
function twoPaths(link: LinkShape, seed: number, telemetryPerS = 500): LinkSimulation {
  const paths = [
    { config: FIBRE, link },
    { config: LTE, link: { oneWayMs: 40, loss: 0 } },
  ];
  const simulation = new LinkSimulation(paths, { seed }).pass(5000);
  return simulation
    .load(1, telemetryPerS, 10, 60_000)
    .load(0, 5, 200, 60_000)
    .pass(5000 + seed * 37);
}

function leftAtMs({ reports }: LinkSimulation): number[] {
  return reports.flatMap((report) => (report.event === "path-switch" && report.from === "fibre" ? [report.atMs] : []));
}

describe("a path that its watcher finds up", () => {
  test.each([
    { what: "whose TCP is dead", oneWayMs: 10, loss: 1 },
    { what: "whose TCP is dead", oneWayMs: 40, loss: 1 },
    { what: "whose TCP is dead", oneWayMs: 250, loss: 1 },
    { what: "that loses 60 %", oneWayMs: 10, loss: 0.6 },
    { what: "that loses 80 %", oneWayMs: 40, loss: 0.8 },
  ])("$what, of $oneWayMs ms, is left within 3 s at p95", ({ oneWayMs, loss }) => {
    const took = SEEDS.map((seed) => {
      const link = { oneWayMs, loss: 0 };
      const simulation = twoPaths(link, seed);
      link.loss = loss;
      const fromMs = simulation.nowMs;
      return (leftAtMs(simulation.pass(8000))[0] ?? Number.POSITIVE_INFINITY) - fromMs;
    }).toSorted((a, b) => a - b);
    expect(took[Math.ceil(0.95 * took.length) - 1]).toBeLessThan(3000);
  });

  test.each([
    { what: "long", link: { oneWayMs: 250, loss: 0 } },
    { what: "long and lossy", link: { oneWayMs: 250, loss: 0.02 } },
    { what: "lossy", link: { oneWayMs: 40, loss: 0.02 } },
    { what: "very long", link: { oneWayMs: 600, loss: 0.01 } },
    { what: "slow and full", link: { oneWayMs: 40, loss: 0, bytesPerMs: 8 } },
  ])("that is only $what is not left", ({ link }) => {
    for (const seed of SEEDS.slice(0, 6))
      expect(leftAtMs(twoPaths(link, seed).pass(25_000)), `seed ${seed}`).toEqual([]);
  });

  test.each([
    { what: "long", change: { oneWayMs: 250 } },
    { what: "slow", change: { bytesPerMs: 29 } },
  ])("that becomes $what is not left", ({ change }) => {
    for (const seed of SEEDS.slice(0, 6)) {
      const link = { oneWayMs: 20, loss: 0 };
      const simulation = twoPaths(link, seed);
      Object.assign(link, change);
      expect(leftAtMs(simulation.pass(20_000)), `seed ${seed}`).toEqual([]);
    }
  });

  test("is not left for a collector that has stopped answering on all of them", () => {
    const simulation = twoPaths({ oneWayMs: 10, loss: 0 }, 1);
    simulation.answers = false;
    // The watchdog leaves it after twice 5 s; silence alone does not.
    expect(leftAtMs(simulation.pass(9000))).toEqual([]);
  });

  test("and carries one frame now and then, is left as well", () => {
    const link = { oneWayMs: 10, loss: 0 };
    const simulation = twoPaths(link, 3, 0).pass(500);
    link.loss = 1;
    const fromMs = simulation.nowMs;
    expect(leftAtMs(simulation.pass(3000))[0]! - fromMs).toBeLessThan(2000);
    expect(simulation.reports.at(-1)).toBeDefined();
  });
});
