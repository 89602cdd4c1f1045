import { once } from "node:events";
import { rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "@paddock/base/log.ts";
import { serveControl } from "./control-server.ts";
import type { ProcessConfig } from "./process-config.ts";
import { BfdReflector } from "./reflector.ts";
import { readScheduling, schedulingWarning } from "./scheduling.ts";
import { parseSession, type SessionSpecInput, sessionTimers } from "./session-spec.ts";
import { Speaker } from "./speaker.ts";

export interface RunOptions {
  readonly socket: string | undefined;
  readonly config: ProcessConfig | undefined;
  /** End when standard input closes: the parent holds the other end. */
  readonly endWithParent: boolean;
  readonly printEvents: boolean;
  readonly log: Log;
}

/** Runs a speaker until SIGTERM or SIGINT, then tells every peer AdminDown. Throws LISTEN_FAILED, BFD_INVALID. */
export async function runSpeaker(options: RunOptions): Promise<void> {
  const { socket, config, log } = options;
  const speaker = new Speaker(config === undefined ? {} : { ports: config.ports });
  const stop = stopRequested(options.endWithParent);
  speaker.subscribe((event) => {
    if (options.printEvents) process.stdout.write(`${JSON.stringify(event)}\n`);
    const { event: kind, ...fields } = event;
    const isTrouble =
      event.event === "state" ? event.liveness === "down" : event.event === "transport" && event.code !== null;
    log[isTrouble ? "warn" : "info"](`bfd-${kind}`, fields);
  });
  const warned = new Set<string>();
  const warnAbout = (session: SessionSpecInput): void => {
    const { desiredMinTxUs, requiredMinRxUs } = sessionTimers(parseSession(session));
    const warning = schedulingWarning(readScheduling(), Math.min(desiredMinTxUs, requiredMinRxUs) / 1000);
    if (warning === undefined || warned.has(warning)) return;
    warned.add(warning);
    log.warn("bfd-scheduling", { detail: warning });
  };
  for (const session of config?.sessions ?? []) {
    warnAbout(session);
    speaker.add(session);
  }
  const reflector = config?.reflect ? new BfdReflector({ seamless: config.reflect }) : undefined;
  const reflectorPorts = await reflector?.start();
  const control = socket === undefined ? undefined : await serveControl(speaker, socket, warnAbout);
  // A child writes into its parent's log, where "ready" is the parent's own word.
  log.info(options.endWithParent ? "bfd-ready" : "ready", {
    socket,
    ...readScheduling(),
    ...(reflectorPorts === undefined ? {} : { reflectorPorts }),
  });
  await stop;
  reflector?.setDisabled(true);
  await control?.close();
  await speaker.close();
  await reflector?.close();
  // A parent that was killed cannot tidy up; with the socket gone, its directory is empty.
  if (options.endWithParent && socket !== undefined) await rmdir(dirname(socket)).catch(() => {});
}

async function stopRequested(endWithParent: boolean): Promise<void> {
  const waits: Promise<unknown>[] = [once(process, "SIGTERM"), once(process, "SIGINT")];
  if (endWithParent) {
    process.stdin.resume();
    waits.push(once(process.stdin, "close"));
  }
  await Promise.race(waits);
  if (endWithParent) process.stdin.destroy();
}
