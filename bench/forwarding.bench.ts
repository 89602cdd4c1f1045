import { FORWARDING_CASES, measureForwarding } from "@paddock/uplink/forward/testing/forwarding-cases.ts";
import {
  leavingTimes,
  p95,
  SILENT_LONG_PATHS,
  SILENT_PATHS,
  SLOW_PATHS,
} from "@paddock/uplink/forward/testing/silence-cases.ts";
import { round } from "./load/numbers.ts";
import type { BenchOptions, Row } from "./load/result.ts";

/**
 * How long frames take over long, lossy and slow links: the real forwarding machine over simulated links, in virtual
 * time, so the machine that runs it does not matter and every run of one seed gives the same figure.
 */
export async function forwarding({ quick, progress }: BenchOptions): Promise<Row[]> {
  const effort = quick ? { seeds: 2, seconds: 20 } : { seeds: 9, seconds: 60 };
  const rows: Row[] = [];
  for (const one of FORWARDING_CASES) {
    const { what, figure, target } = one;
    const row: Row = {
      what,
      value: round(measureForwarding(one, effort), figure === "carried" ? 0 : 1),
      unit: figure === "carried" ? "frames/s" : "ms",
      ...(target === undefined ? {} : { target }),
    };
    rows.push(row);
    progress(`${what}: ${row.value} ${row.unit}`);
  }
  const seeds = quick ? 20 : 100;
  for (const one of [...SILENT_PATHS, ...SILENT_LONG_PATHS]) {
    const value = round(p95(leavingTimes(one, seeds, 12_000)), 0);
    const target = SILENT_PATHS.includes(one) ? { target: { is: "at most", value: 3000 } as const } : {};
    rows.push({ what: `left after, p95 of ${seeds}: ${one.what}`, value, unit: "ms", ...target });
    progress(`${one.what}: left after ${value} ms at p95`);
  }
  for (const one of SLOW_PATHS) {
    const value = leavingTimes(one, seeds / 5, 25_000).filter((ms) => Number.isFinite(ms)).length;
    const target = { is: "at most", value: 0 } as const;
    rows.push({ what: `left in ${seeds / 5} times 25 s: ${one.what}`, value, unit: "times", target });
    progress(`${one.what}: left ${value} times`);
  }
  return rows;
}
