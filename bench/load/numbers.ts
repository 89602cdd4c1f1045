/** The value below which the share `q` of the samples lies; NaN without samples. */
export function quantile(samples: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(samples).toSorted();
  return sorted.length === 0 ? NaN : sorted[Math.floor(q * (sorted.length - 1))]!;
}

export function median(samples: Iterable<number>): number {
  return quantile(samples, 0.5);
}

export function round(value: number, digits = 0): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the condition holds; false when it does not within the limit. */
export async function within(limitMs: number, holds: () => Promise<boolean>, everyMs = 20): Promise<boolean> {
  const end = performance.now() + limitMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > end) return false;
    await sleep(everyMs);
  }
}
