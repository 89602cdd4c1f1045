import { FORWARDING_CASES, measureForwarding } from "@paddock/uplink/forward/testing/forwarding-cases.ts";
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
  return rows;
}
