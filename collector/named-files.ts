import { lstat } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { readMetricsFiles } from "@paddock/base/metrics-listener.ts";
import { readTlsFiles } from "@paddock/base/tls-files.ts";
import type { CollectorConfig } from "./config.ts";
import { readOtlpFiles } from "./otlp/config.ts";

/**
 * Looks at what a configuration names as a start would, and changes nothing: the TLS files, the tokens, and what lies at
 * dataDir.
 * Resolves with what is wrong; empty when all is well.
 */
export async function problemsOfNamedFiles({ tls, metrics, otlp, dataDir }: CollectorConfig): Promise<PaddockError[]> {
  const checks: Promise<unknown>[] = [assertDirectoryOrNothing(dataDir), readMetricsFiles(metrics)];
  if (tls !== null) checks.push(readTlsFiles("tls", tls));
  if (otlp !== null) checks.push(readOtlpFiles(otlp));
  const problems: PaddockError[] = [];
  for (const outcome of await Promise.allSettled(checks)) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof PaddockError)) throw outcome.reason;
    problems.push(outcome.reason);
  }
  return problems;
}

async function assertDirectoryOrNothing(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    if (found.isDirectory() || found.isSymbolicLink()) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new PaddockError("DATA_DIR_UNUSABLE", `dataDir: ${path}: ${messageOf(error)}.`, { cause: error });
  }
  throw new PaddockError("DATA_DIR_UNUSABLE", `dataDir: ${path} is no directory.`, {
    remedy: "Move it away, or name another dataDir.",
  });
}
