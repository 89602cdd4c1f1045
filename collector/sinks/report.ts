import type { DeadLetterReport } from "./dead-letters.ts";
import type { SinkPhase } from "./machine.ts";

/** What the process of the sinks says of one. Counts are since that process began. */
export interface SinkStatus {
  readonly name: string;
  readonly kind: string;
  readonly phase: SinkPhase;
  /** What keeps it from going on. */
  readonly problem: string | null;
  /** The next log offset that it wants; null while that is not known. */
  readonly offset: number | null;
  readonly rows: number;
  readonly chunks: number;
  readonly failures: number;
  /** In all, as far as counted, and records that are gone by why. */
  readonly deadLetters: Pick<DeadLetterReport, "countedFrom" | "total" | "missing">;
  /** In the sink's own words. */
  readonly details: Readonly<Record<string, string | number | null>>;
}
