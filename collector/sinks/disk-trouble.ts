import { messageOf, PaddockError } from "@paddock/base/errors.ts";

const FULL: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);

/** What a disk refused, which can pass by itself, as the runner and people need it; `what` failed. */
export function diskTrouble(what: string, error: unknown): PaddockError {
  const remedy = "Make room on that disk; the sink goes on by itself where it was, and nothing is lost meanwhile.";
  return new PaddockError("SINK_UNAVAILABLE", `${what}: ${messageOf(error)}.`, {
    cause: error,
    ...(FULL.has((error as NodeJS.ErrnoException).code) ? { remedy } : {}),
  });
}
