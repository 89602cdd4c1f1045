import { writeSync } from "node:fs";
import { systemClock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { jsonLinesLog, type Log } from "@paddock/base/log.ts";
import { endSignals } from "@paddock/base/signals.ts";
import { openGateway, type Gateway } from "./compose.ts";
import { formatAddress, type GatewayConfig } from "./config.ts";
import { Directives, type Run } from "./directives/directives.ts";
import { tellServiceManager } from "./service-manager.ts";

/** A gateway that does not come to rest in this time is ended as it is: the store is made for that. */
const STOP_MS = 30_000;

/**
 * Runs the gateway until SIGTERM or SIGINT, then drains it: resolves with 0. Where its collector changes the
 * configuration, it is drained and opened anew with that. What it cannot survive ends the process with 1, so that the
 * service manager starts it again through the recovery of the store.
 */
export async function runGateway(own: GatewayConfig): Promise<number> {
  const directives = await Directives.open({ own, clock: systemClock, log: jsonLinesLog(own.log.level) });
  let gateway: Gateway | undefined;
  let bySignal: Promise<{ signal: NodeJS.Signals }> | undefined;
  let endNotices: (() => void) | undefined;
  for (;;) {
    const run = directives.begin();
    const log = jsonLinesLog(run.config.log.level);
    gateway = await openRun(run, directives, log);
    if (gateway === undefined) continue;
    if (bySignal === undefined) {
      const { first } = endSignals(process, systemClock, () => process.exit(1));
      bySignal = first.then((signal) => ({ signal }));
      process.on("SIGHUP", () => void gateway?.reloadSensors());
      const failed = (error: unknown): void => log.warn("not-notified", { message: messageOf(error) });
      endNotices = tellServiceManager(process.env, systemClock, failed);
    }
    const why = await Promise.race([bySignal, run.restart.then((restart) => ({ restart }))]);
    log.info("stopping", why);
    const tooLong = "restart" in why ? systemClock.after(STOP_MS, () => process.exit(1)) : undefined;
    await gateway.stop();
    tooLong?.cancel();
    log.info("stopped");
    if ("signal" in why) {
      endNotices?.();
      return 0;
    }
  }
}

/** Undefined when a configuration on trial cannot be run: then the one before is next. */
async function openRun(run: Run, directives: Directives, log: Log): Promise<Gateway | undefined> {
  const startedAt = performance.now();
  const opening = openGateway(run.config, { clock: systemClock, log, directives });
  let gateway: Gateway;
  try {
    const opened = await Promise.race([opening, run.restart]);
    // The trial is over and its start does not come to an end.
    if (typeof opened === "string") process.exit(1);
    gateway = opened;
  } catch (error) {
    logFailure(log, error);
    if (await directives.giveUp(`it does not start: ${messageOf(error)}`)) return undefined;
    if (error instanceof PaddockError && error.disposition === "fatal") return fail(error);
    throw error;
  }
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
  return gateway;
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
