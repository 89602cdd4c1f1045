/** One reading, as each reader gives it; offset and part are its key. */
export interface Reading {
  readonly offset: number;
  readonly part: number;
  readonly name: string;
  readonly value: number;
}

export interface Sums {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** Of the log offsets: a reading that stands in for another one has another offset. */
  readonly offsets: number;
}

const NONE: Sums = { count: 0, sum: 0, min: Infinity, max: -Infinity, offsets: 0 };

/**
 * Counts, sums and bounds of each measurement. Readings are put in the order of the log first, as sums of doubles depend
 * on theirs. Throws for a reading that is there twice.
 */
export function sumsOf(readings: readonly Reading[]): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>();
  let before: Reading | undefined;
  for (const reading of readings.toSorted((left, right) => left.offset - right.offset || left.part - right.part)) {
    const { offset, part, name, value } = reading;
    if (before?.offset === offset && before.part === part) throw new Error(`twice: ${offset}/${part} ${name}`);
    before = reading;
    const measurement = name.slice(name.lastIndexOf(":") + 1);
    const known = sums.get(measurement) ?? NONE;
    sums.set(measurement, {
      count: known.count + 1,
      sum: known.sum + value,
      min: Math.min(known.min, value),
      max: Math.max(known.max, value),
      offsets: known.offsets + offset,
    });
  }
  return new Map([...sums].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
