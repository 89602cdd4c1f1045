/**
 * When values are pushed. Each push has the values of its moment, and they count from the start: what did not arrive is
 * in the next one, so that nothing waits in memory however long the receiver is away.
 */
export interface PushMachine {
  readonly intervalMs: number;
  /** Pushes in a row that are worth another try. */
  readonly failures: number;
  /** Why the last push did not get through, for people. */
  readonly problem: string | undefined;
}

export type PushOutcome =
  /** What of it was not taken is told by the receiver. */
  | { readonly is: "taken"; readonly rejected: number; readonly message: string }
  /** Another try would be refused as well. */
  | { readonly is: "refused"; readonly message: string }
  /** Nobody answered, or somebody who is busy; `retryAfterMs` is when to come again, if it says so. */
  | { readonly is: "failed"; readonly message: string; readonly retryAfterMs?: number | undefined };

export interface PushStep {
  readonly machine: PushMachine;
  /** From the begin of the push that ended to the next. */
  readonly nextInMs: number;
  /** What a person should know: only what is new. */
  readonly tell: "failed" | "refused" | "partial" | "restored" | undefined;
}

const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_LAST_MS = 300_000;
/** A receiver that wants longer is asked anyway: it may have been restarted since. */
const RETRY_AFTER_MAX_MS = 3_600_000;

export function startPushes(intervalMs: number): PushMachine {
  return { intervalMs, failures: 0, problem: undefined };
}

/** `chance` is in [0, 1). */
export function stepPushes(machine: PushMachine, outcome: PushOutcome, chance: number): PushStep {
  const { intervalMs } = machine;
  const problem = problemIn(outcome);
  const isNews = problem !== undefined && problem !== machine.problem;
  switch (outcome.is) {
    case "taken":
      return {
        machine: { intervalMs, failures: 0, problem },
        nextInMs: intervalMs,
        tell: isNews ? "partial" : problem === machine.problem ? undefined : "restored",
      };
    case "refused":
      return {
        machine: { intervalMs, failures: 0, problem },
        nextInMs: intervalMs,
        tell: isNews ? "refused" : undefined,
      };
    case "failed": {
      const failures = machine.failures + 1;
      const fullMs = Math.min(BACK_OFF_LAST_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(failures - 1, 20));
      const backOffMs = Math.ceil(fullMs * (0.5 + chance / 2));
      const askedMs = Math.min(outcome.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS);
      return {
        machine: { intervalMs, failures, problem },
        nextInMs: Math.max(backOffMs, askedMs),
        tell: isNews ? "failed" : undefined,
      };
    }
  }
}

/** In words; undefined when all was taken. A receiver that took all may still have a warning to give. */
function problemIn(outcome: PushOutcome): string | undefined {
  if (outcome.is !== "taken") return outcome.message;
  if (outcome.rejected === 0 && outcome.message === "") return undefined;
  const count = outcome.rejected === 0 ? "a warning" : "values are not taken";
  return `${count}: ${outcome.message === "" ? "it does not say why" : outcome.message}`;
}

/**
 * Since when the counters count, in Unix ms: by the clock as it was at the start, until somebody sets it by more than a
 * minute. Then by the clock as it is, so that no value is from before its start, or years after it.
 */
export function countedSinceMs(toldMs: number, wallMs: number, upMs: number): number {
  const byClockMs = Math.floor(wallMs - upMs);
  return Math.abs(byClockMs - toldMs) > CLOCK_SET_MS ? byClockMs : Math.min(toldMs, wallMs);
}

const CLOCK_SET_MS = 60_000;
