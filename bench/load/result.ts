/** One line of the table: what was measured, what was aimed at. */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Each round's value, where several were taken; `value` is their median. */
  readonly rounds?: readonly number[];
  readonly target?: { readonly is: "at least" | "at most" | "under"; readonly value: number };
  readonly note?: string;
}

export interface BenchOptions {
  /** Shorter steps and fewer rounds: shows that the benchmark works, its figures are rough. */
  readonly quick: boolean;
  /** Length of the memory run. */
  readonly minutes: number;
  /** Where stores are made: the disk that is measured. */
  readonly directory: string;
  /** Another checkout to compare with. */
  readonly against: string | undefined;
  readonly progress: (line: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<Row[]>;

export function reached({ value, target }: Row): boolean | undefined {
  if (target === undefined) return undefined;
  if (target.is === "at least") return value >= target.value;
  return target.is === "under" ? value < target.value : value <= target.value;
}
