import { execFile } from "node:child_process";
import type { Clock, Timer } from "@paddock/base/clock.ts";

/** What systemd tells a service of how it wants to be kept informed: sd_notify(3), sd_watchdog_enabled(3). */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  /** Microseconds of silence after which the service is killed and started again. */
  readonly WATCHDOG_USEC?: string | undefined;
}

/** Signs of life within the time of the watchdog; a machine with much to do may be late with one of them. */
const SIGNS_PER_LIMIT = 3;

/**
 * Tells the service manager that the gateway is ready, and from then on that its event loop turns: a gateway that hangs is
 * killed and started anew. Does nothing where nobody asked for it. `notify` resolves once one message is delivered;
 * `failed` is called when it is not. Ends with a call of what is returned; until then the process stays.
 */
export function tellServiceManager(
  environment: ServiceEnvironment,
  clock: Clock,
  failed: (error: unknown) => void,
  notify: (message: string) => Promise<void> = systemdNotify,
): () => void {
  if (environment.NOTIFY_SOCKET === undefined) return () => {};
  const limitUs = Number(environment.WATCHDOG_USEC ?? 0);
  let next: Timer | undefined;
  let ended = false;
  const tell = async (message: string): Promise<void> => {
    try {
      await notify(message);
    } catch (error) {
      failed(error);
    }
    if (limitUs > 0 && !ended) next = clock.after(limitUs / 1000 / SIGNS_PER_LIMIT, () => void tell("WATCHDOG=1"));
  };
  void tell("READY=1");
  return () => {
    ended = true;
    next?.cancel();
  };
}

/** By systemd's own program: Node has no datagram sockets in the file system. */
function systemdNotify(message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("systemd-notify", [message], (error) => (error === null ? resolve() : reject(error)));
  });
}
