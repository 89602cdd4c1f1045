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

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
