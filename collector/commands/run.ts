import { systemClock } from "@paddock/base/clock.ts";
import { startCollector } from "../collector.ts";
import { readCollectorConfig } from "../config.ts";
import { pinoLog } from "../pino-log.ts";
import { parseCommandLine, print, printJson, requiredOption, type Command } from "./command.ts";

export const run: Command = {
  name: "run",
  usage: "--config FILE [--check-config | --print-config]",
  summary: "run the collector",
  help: `  --config FILE     its configuration (collector/config.schema.json)
  --check-config    say whether the configuration is valid, and end
  --print-config    print it with every default filled in, and end

Prints one JSON line per event on standard error; "ready" says that it serves, with its public key and addresses.
SIGTERM or SIGINT: finishes the uploads in flight and ends with 0.`,
  async run(argv) {
    const options = {
      config: { type: "string" },
      "check-config": { type: "boolean" },
      "print-config": { type: "boolean" },
    } as const;
    const parsed = parseCommandLine(argv, options);
    const path = requiredOption(parsed, "config");
    const config = await readCollectorConfig(path);
    if (parsed.values["print-config"] === true) {
      printJson(config);
      return 0;
    }
    if (parsed.values["check-config"] === true) {
      print(`${path} is valid.`);
      return 0;
    }
    const stopped = signalled();
    const log = pinoLog(config.log.level);
    const collector = await startCollector(config, systemClock, log);
    const signal = await Promise.race([stopped, collector.failed]);
    log.info("stopping", { signal });
    await collector.close();
    log.info("stopped");
    return 0;
  },
};

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}
