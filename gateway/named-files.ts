import { PaddockError } from "@paddock/base/errors.ts";
import { readMetricsFiles } from "@paddock/base/metrics-listener.ts";
import { readInjectedIdentity } from "@paddock/wire/identity-file.ts";
import { readAuthorities } from "@paddock/base/authorities.ts";
import type { GatewayConfig } from "./config.ts";
import { readSensorsFile } from "./ingest/sensors-file.ts";

/**
 * Reads every file that a configuration names as a start would, and changes nothing. Resolves with what is wrong with
 * them, as a start would say it; empty when all is well.
 */
export async function problemsOfNamedFiles(config: GatewayConfig): Promise<PaddockError[]> {
  const {
    sensors: { file },
    identity: { keyFile },
    collector,
    metrics,
  } = config;
  const checks: Promise<unknown>[] = [];
  if (file !== null) checks.push(readSensorsFile(file));
  if (keyFile !== null) checks.push(readInjectedIdentity(keyFile));
  if (typeof collector?.ca === "string") checks.push(readAuthorities("collector.ca", collector.ca));
  checks.push(readMetricsFiles(metrics));
  const problems: PaddockError[] = [];
  for (const outcome of await Promise.allSettled(checks)) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof PaddockError)) throw outcome.reason;
    problems.push(outcome.reason);
  }
  return problems;
}
