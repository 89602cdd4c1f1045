import { writeSync } from "node:fs";
import { systemClock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { endSignals } from "@paddock/base/signals.ts";
import { startCollector } from "../collector.ts";
import { problemsOfNamedFiles } from "../named-files.ts";
import { pinoLog } from "../pino-log.ts";
import { configOf, parseCommandLine, type Command } from "./command.ts";

export const run: Command = {
  name: "run",
  usage: "[--config FILE] [--check-config | --print-config]",
  summary: "run the collector",
  help: `  --config FILE     its configuration (collector/config.schema.json); /etc/paddock/collector.json when absent
  --check-config    say whether the configuration and the files that it names are valid, and end; nothing is changed
  --print-config    print it with every default filled in, and end

Prints one JSON line per event on standard error; "ready" says that it serves, with its public key and addresses.
SIGTERM or SIGINT: finishes the uploads in flight and ends with 0; another one, a second or more later: ends at once, with 1. What it cannot survive is an event "failed", and it ends
with 1, so that the service manager starts it again; with 2 for a configuration that has to be changed first.`,
  async run(argv) {
    const options = {
      config: { type: "string" },
      "check-config": { type: "boolean" },
      "print-config": { type: "boolean" },
    } as const;
    const parsed = parseCommandLine(argv, options);
    const { path, config } = await configOf(parsed);
    if (parsed.values["print-config"] === true) {
      printJson(config);
      return 0;
    }
    if (parsed.values["check-config"] === true) {
      const problems = await problemsOfNamedFiles(config);
      print([`${path} is valid.`, ...problems.map((problem) => problem.explain())].join("\n"));
      return problems.length === 0 ? 0 : 2;
    }
    const { first: stopped } = endSignals(process, systemClock, () => process.exit(1));
    const log = pinoLog(config.log.level);
    try {
      const collector = await startCollector(config, systemClock, log);
      const signal = await Promise.race([stopped, collector.failed]);
      log.info("stopping", { signal });
      await collector.close();
      log.info("stopped");
      return 0;
    } catch (error) {
      return fail(log, error);
    }
  },
};

/** Ends the process at once: what failed may have left handles open, and nothing is closed that may be in doubt. */
function fail(log: Log, error: unknown): never {
  if (error instanceof PaddockError) {
    const { code, message, remedy } = error;
    log.error("failed", { code, message, remedy });
    writeSync(2, `${error.explain()}\n`);
    process.exit(error.disposition === "usage" ? 2 : 1);
  }
  log.error("failed", { message: messageOf(error) });
  writeSync(2, `${(error as Error)?.stack ?? String(error)}\n`);
  process.exit(1);
}
