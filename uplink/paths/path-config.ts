import type { Lane } from "@paddock/wire/lanes.ts";

/** What a path's liveness watcher says. `unknown` (no watcher, or it died) leaves the decision to the receipts. */
export type Liveness = "up" | "down" | "unknown";

/** A path that is paid by volume. */
export interface MeteredPath {
  /** Bytes that the plan holds from one billing day to the next. */
  readonly bytesPerMonth: number;
  /** Day of the month, 1 to 28, UTC, on which a new billing month begins. */
  readonly billingDay: number;
  /** Lanes that may use the path while the budget lasts; after that only `alarm` may. */
  readonly lanes: readonly Lane[];
}

export interface PathConfig {
  readonly name: string;
  /** Local address to bind, or undefined to let the kernel choose. */
  readonly source?: string;
  /** https URL of the collector on this path. */
  readonly endpoint: string;
  /** Higher is preferred. */
  readonly preference: number;
  /** Among paths of equal preference the lower cost goes first; default 0. */
  readonly cost?: number;
  /** What would take this path down together with others: a shared fibre, mast, carrier. */
  readonly riskGroups?: readonly string[];
  readonly metered?: MeteredPath;
}
