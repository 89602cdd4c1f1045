import { constants, setPriority } from "node:os";
import { systemClock } from "@paddock/base/clock.ts";
import type { Log, LogFields, LogLevel } from "@paddock/base/log.ts";
import { systemRandom } from "@paddock/base/random.ts";
import { SinksHost } from "./host.ts";
import type { FromSinks, ToSinks } from "./messages.ts";

/**
 * The process of the sinks, a child of the collector: what it does and says goes over node's IPC channel, and it ends
 * when that does. docs/decisions/0058-sinks-in-a-process.md says why it is one.
 */

/** Time for what a sink is doing once the collector has gone. */
const LAST_MS = 2000;

const send = (message: FromSinks): void => {
  // A channel that has just closed tells by its event.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
};
const at =
  (level: LogLevel) =>
  (event: string, fields: LogFields = {}) =>
    send({ is: "log", level, event, fields });
const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };

const host = new SinksHost({
  clock: systemClock,
  random: systemRandom,
  log,
  report: (sinks) => send({ is: "report", sinks }),
});

/** Not by an exit of Node's own, which waits for its threads: one of them may hang in a disk that is away. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

async function take(message: ToSinks): Promise<void> {
  switch (message.do) {
    case "start":
      return host.start(message.with);
    case "command":
      host.command(message.command);
      return send({ is: "report", sinks: host.statuses, id: message.id });
    case "last":
      return send({ is: "last", id: message.id, answer: await host.last(message.ask) });
    case "stop":
      await host.stop();
      process.disconnect();
  }
}

try {
  // Where the processor is short, the ledger goes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // A service manager may not allow it.
}

// A service manager and a terminal signal every process of the group; when the sinks end is the collector's to say.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
process.on("message", (message) => {
  take(message as ToSinks).catch((error: unknown) => {
    throw error;
  });
});
process.on("disconnect", () => {
  setTimeout(end, LAST_MS);
  void host.stop().then(end);
});
if (process.send === undefined) {
  process.stderr.write("This program is started by the collector.\n");
  process.exit(2);
}
