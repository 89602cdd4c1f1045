import { LinkSimulation, type LinkShape } from "./link-simulation.ts";

/** One link with its load, and the figure that counts there. */
export interface ForwardingCase {
  readonly what: string;
  readonly link: LinkShape;
  readonly telemetryPerS: number;
  readonly alarmsPerS: number;
  /** `telemetry`, `alarm`: median from sealed to held by the collector, in ms. `carried`: frames a second. */
  readonly figure: "telemetry" | "alarm" | "carried";
  readonly target?: { readonly is: "at most" | "at least"; readonly value: number };
}

const link = (oneWayMs: number, loss = 0, bytesPerMs?: number): LinkShape => ({
  oneWayMs,
  loss,
  ...(bytesPerMs === undefined ? {} : { bytesPerMs }),
});
const mixed = { telemetryPerS: 1400, alarmsPerS: 50 };
const fast = { telemetryPerS: 10_000, alarmsPerS: 0 };

/** What forwarding is measured by, and what it has to reach. */
export const FORWARDING_CASES: readonly ForwardingCase[] = [
  { what: "5 ms one way, 1,400/s, telemetry p50", link: link(5), ...mixed, figure: "telemetry" },
  {
    what: "40 ms, 1,400/s, telemetry p50",
    link: link(40),
    ...mixed,
    figure: "telemetry",
    target: { is: "at most", value: 45 },
  },
  { what: "40 ms, 1,400/s, alarm p50", link: link(40), ...mixed, figure: "alarm" },
  { what: "40 ms, 2 % lost, 10,000/s, telemetry p50", link: link(40, 0.02), ...fast, figure: "telemetry" },
  { what: "250 ms, 1,400/s, telemetry p50", link: link(250), ...mixed, figure: "telemetry" },
  { what: "250 ms, alarm p50", link: link(250), ...mixed, figure: "alarm", target: { is: "at most", value: 285 } },
  {
    what: "250 ms, 2 % lost, 10,000/s, carried",
    link: link(250, 0.02),
    ...fast,
    figure: "carried",
    target: { is: "at least", value: 9500 },
  },
  { what: "250 ms, 2 % lost, 10,000/s, telemetry p50", link: link(250, 0.02), ...fast, figure: "telemetry" },
  {
    what: "40 ms, 29 kB/s, 300/s, alarm p50",
    link: link(40, 0, 29),
    telemetryPerS: 300,
    alarmsPerS: 5,
    figure: "alarm",
  },
];

const BATCH_MS = 6;
/** Request sizes have found their place by then. */
const WARM_UP_MS = 10_000;

/** The median over so many seeds, each for so many seconds of virtual time. */
export function measureForwarding(one: ForwardingCase, { seeds, seconds }: { seeds: number; seconds: number }): number {
  const values: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) values.push(measureOnce(one, seed, seconds * 1000));
  return middleOf(values);
}

function measureOnce({ link: shape, telemetryPerS, alarmsPerS, figure }: ForwardingCase, seed: number, forMs: number) {
  const config = { name: "path", endpoint: "https://[::1]:8443", preference: 100 };
  const simulation = new LinkSimulation([{ config, link: shape }], { seed }).pass(5000);
  simulation.load(1, telemetryPerS, BATCH_MS, WARM_UP_MS + forMs);
  if (alarmsPerS > 0) simulation.load(0, alarmsPerS, 1000 / alarmsPerS, WARM_UP_MS + forMs);
  const before = simulation.pass(WARM_UP_MS).carried();
  simulation.pass(forMs);
  if (figure === "carried") return ((simulation.carried() - before) / forMs) * 1000;
  return middleOf(simulation.delays[figure === "alarm" ? 0 : 1]);
}

function middleOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}
