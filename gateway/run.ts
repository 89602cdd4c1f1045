import { writeSync } from "node:fs";
import { systemClock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { jsonLinesLog, type Log } from "@paddock/base/log.ts";
import { endSignals } from "@paddock/base/signals.ts";
import { openGateway, type Gateway } from "./compose.ts";
import { formatAddress, type GatewayConfig } from "./config.ts";

/**
 * Runs the gateway until SIGTERM or SIGINT, then drains it: resolves with 0. What it cannot survive ends the process
 * with 1, so that the service manager starts it again through the recovery of the store.
 */
export async function runGateway(config: GatewayConfig): Promise<number> {
  const log = jsonLinesLog(config.log.level);
  const startedAt = performance.now();
  let gateway: Gateway;
  try {
    gateway = await openGateway(config, { clock: systemClock, log });
  } catch (error) {
    logFailure(log, error);
    if (error instanceof PaddockError && error.disposition === "fatal") return fail(error);
    throw error;
  }
  const { first: signal } = endSignals(process, systemClock, () => process.exit(1));
  log.info("ready", {
    id: gateway.id,
    addresses: gateway.addresses.map(({ kind, address, port }) => ({ kind, address, port })),
    listening: gateway.addresses.map(({ address, port }) => formatAddress(address, port)),
    startedInMs: Math.round(performance.now() - startedAt),
  });
  // Nothing is closed after a failure: what is on disk is unknown, and only the next start finds out.
  gateway.failed.catch((error: unknown) => {
    logFailure(log, error);
    fail(error);
  });
  process.on("SIGHUP", () => void gateway.reloadSensors());
  log.info("stopping", { signal: await signal });
  await gateway.stop();
  log.info("stopped");
  return 0;
}

/** Ends the process at once, with the failure in words for the terminal. */
function fail(error: unknown): never {
  writeSync(2, `${error instanceof PaddockError ? error.explain() : String((error as Error)?.stack ?? error)}\n`);
  process.exit(1);
}

function logFailure(log: Log, error: unknown): void {
  if (!(error instanceof PaddockError)) {
    log.error("failed", { message: messageOf(error) });
    return;
  }
  const { code, message, remedy } = error;
  log.error("failed", { code, message, remedy });
}
