import type { Story } from "../lab/story.ts";

/** One scenario or test as the report shows it. */
export interface Verdict {
  /** `interop`, or the folder of the lab, such as `lab/failover`. */
  readonly ring: string;
  readonly file: string;
  readonly name: string;
  readonly passed: boolean;
  readonly durationMs: number;
  /** Why it failed. */
  readonly failure: string | null;
  /** What it measured and what happened, where it tells. */
  readonly story: Story | null;
}

export interface HilReport {
  readonly startedAt: string;
  readonly durationS: number;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly node: string };
  readonly passed: number;
  readonly failed: number;
  readonly verdicts: readonly Verdict[];
}
