import { LinkSimulation, type LinkShape } from "./link-simulation.ts";

/** A path that its watcher finds up, beside one of 40 ms that is well; the first carries telemetry and alarms. */
export interface SilenceCase {
  readonly what: string;
  readonly link: LinkShape;
  /** What becomes of the link once it carries traffic. */
  readonly change?: Partial<LinkShape>;
  readonly telemetryPerS?: number;
}

/** Paths that have to be left within 3 s at p95. */
export const SILENT_PATHS: readonly SilenceCase[] = [
  { what: "10 ms, TCP dead", link: { oneWayMs: 10, loss: 0 }, change: { loss: 1 } },
  { what: "40 ms, TCP dead", link: { oneWayMs: 40, loss: 0 }, change: { loss: 1 } },
  { what: "250 ms, TCP dead", link: { oneWayMs: 250, loss: 0 }, change: { loss: 1 } },
  { what: "10 ms, 60 % lost", link: { oneWayMs: 10, loss: 0 }, change: { loss: 0.6 } },
  { what: "40 ms, 60 % lost", link: { oneWayMs: 40, loss: 0 }, change: { loss: 0.6 } },
  { what: "40 ms, 60 % lost, full speed", link: { oneWayMs: 40, loss: 0 }, change: { loss: 0.6 }, telemetryPerS: 5000 },
  { what: "40 ms, 80 % lost", link: { oneWayMs: 40, loss: 0 }, change: { loss: 0.8 } },
  { what: "250 ms, 80 % lost", link: { oneWayMs: 250, loss: 0 }, change: { loss: 0.8 } },
];

/** Left as well, but not within 3 s each time: their round trips are the clock. */
export const SILENT_LONG_PATHS: readonly SilenceCase[] = [
  { what: "250 ms, 60 % lost", link: { oneWayMs: 250, loss: 0 }, change: { loss: 0.6 } },
  {
    what: "250 ms, 60 % lost, full speed",
    link: { oneWayMs: 250, loss: 0 },
    change: { loss: 0.6 },
    telemetryPerS: 5000,
  },
];

/** Paths that are slow, and never left. */
export const SLOW_PATHS: readonly SilenceCase[] = [
  { what: "long", link: { oneWayMs: 250, loss: 0 } },
  { what: "long, 2 % lost", link: { oneWayMs: 250, loss: 0.02 } },
  { what: "2 % lost", link: { oneWayMs: 40, loss: 0.02 } },
  { what: "very long, 1 % lost", link: { oneWayMs: 600, loss: 0.01 } },
  { what: "a second long", link: { oneWayMs: 1000, loss: 0 } },
  { what: "slow and full", link: { oneWayMs: 40, loss: 0, bytesPerMs: 8 } },
  { what: "grows from 20 to 250 ms", link: { oneWayMs: 20, loss: 0 }, change: { oneWayMs: 250 } },
  { what: "becomes slow", link: { oneWayMs: 20, loss: 0 }, change: { bytesPerMs: 29 } },
];

const endpoint = "https://[::1]:8443";
const LOAD_MS = 60_000;

/** Both paths are up for their watcher, and the first has carried traffic for some seconds. */
export function twoPaths(link: LinkShape, seed: number, telemetryPerS = 500): LinkSimulation {
  const simulation = new LinkSimulation(
    [
      { config: { name: "fibre", endpoint, preference: 100 }, link },
      { config: { name: "lte", endpoint, preference: 10 }, link: { oneWayMs: 40, loss: 0 } },
    ],
    { seed },
  ).pass(5000);
  return simulation
    .load(1, telemetryPerS, 10, LOAD_MS)
    .load(0, 5, 200, LOAD_MS)
    .pass(5000 + seed * 37);
}

/** When the first path was left, in ms of the simulation. */
export function leftAtMs({ reports }: LinkSimulation): number[] {
  return reports.flatMap((report) => (report.event === "path-switch" && report.from === "fibre" ? [report.atMs] : []));
}

/** Milliseconds from the change until the path was left, for each seed, in order of size; Infinity: not within `forMs`. */
export function leavingTimes({ link, change, telemetryPerS }: SilenceCase, seeds: number, forMs: number): number[] {
  const times = Array.from({ length: seeds }, (_, index) => {
    const shape = { ...link };
    const simulation = twoPaths(shape, index + 1, telemetryPerS);
    Object.assign(shape, change);
    const fromMs = simulation.nowMs;
    return (leftAtMs(simulation.pass(forMs))[0] ?? Number.POSITIVE_INFINITY) - fromMs;
  });
  return times.toSorted((a, b) => a - b);
}

/** The 95th percentile of values in order. */
export function p95(sorted: readonly number[]): number {
  return sorted[Math.ceil(0.95 * sorted.length) - 1]!;
}
