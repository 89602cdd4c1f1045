import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/**
 * Times at which the collector took batches, from its own log: a judge outside of the gateway. Sorted Unix ms, each once.
 */
export async function arrivalsOf(logFile: string): Promise<number[]> {
  const times = new Set<number>();
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    const received = /"received":(\d+)/.exec(line)?.[1];
    if (received !== undefined) times.add(Number(received));
  }
  return [...times].toSorted((a, b) => a - b);
}

/**
 * From the cut to the first batch that the collector takes after the silence, in ms: the end of the longest pause
 * between arrivals that begins at most `settleMs` after the cut (what was past it still arrives and has to be written)
 * and ends before `untilMs`. Undefined when nothing arrived after the cut.
 */
export function resumedAfterMs(
  arrivals: readonly number[],
  cutMs: number,
  { settleMs = 500, untilMs = cutMs + 30_000 } = {},
): number | undefined {
  let longest = -1;
  let end: number | undefined;
  for (let index = 1; index < arrivals.length; index++) {
    const [before, after] = [arrivals[index - 1]!, arrivals[index]!];
    if (after <= cutMs || before > cutMs + settleMs || after > untilMs) continue;
    if (after - before > longest) {
      longest = after - before;
      end = after;
    }
  }
  return end === undefined ? undefined : end - cutMs;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
