import { parseArgs } from "node:util";
import { systemClock } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { jsonLinesLog } from "@paddock/base/log.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { systemRandom } from "@paddock/base/random.ts";
import { endSignals } from "@paddock/base/signals.ts";
import { readBridgeConfig } from "./config.ts";
import { startHttpBridge } from "./http-bridge.ts";

const HELP = `paddock bridge http --config FILE
  Takes the form posts of old scripts over HTTP and hands each to a gateway as one SenML frame over CoAP.
  200 means that the gateway has it on disk; 400 that it is no reading; 503 that it has to be sent again.

  --config FILE    which forms there are and what their fields mean (docs/sensors.md)
  --check-config   only check it
  --print-config   print it with every default, as JSON
`;

/** `paddock bridge`. Returns the exit code. Throws PaddockError. */
export async function bridgeCommand(argv: readonly string[]): Promise<number> {
  const [kind, ...rest] = argv;
  if (kind === undefined || kind === "--help" || kind === "-h" || rest.includes("--help")) {
    print(HELP.trimEnd());
    return 0;
  }
  if (kind !== "http") throw new PaddockError("USAGE", `${JSON.stringify(kind)} is no bridge; there is http.`);
  const { config: path, "check-config": checks, "print-config": prints } = optionsOf(rest);
  if (path === undefined) throw new PaddockError("USAGE", "--config FILE is missing.");
  const config = await readBridgeConfig(path);
  if (prints === true) printJson(config);
  else if (checks === true) print(`${path} is valid.`);
  if (prints === true || checks === true) return 0;
  const log = jsonLinesLog();
  const { first } = endSignals(process, systemClock, () => process.exit(1));
  const bridge = await startHttpBridge(config, { clock: systemClock, random: systemRandom, log });
  log.info("ready", { listen: { address: bridge.address, port: bridge.port }, forms: config.forms.length });
  log.info("stopping", { signal: await first });
  await bridge.close();
  return 0;
}

function optionsOf(args: readonly string[]) {
  try {
    const options = {
      config: { type: "string", short: "c" },
      "check-config": { type: "boolean" },
      "print-config": { type: "boolean" },
    } as const;
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new PaddockError("USAGE", `${messageOf(error)}.`);
  }
}
