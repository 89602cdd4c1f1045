import { setFlagsFromString } from "node:v8";
import { configOf, parseOptions, print, printJson, type Command } from "./options.ts";

/**
 * MiB of each half of V8's young generation. Almost everything that the gateway allocates dies with its datagram, so a
 * large one only keeps dead buffers longer: the default of 16 costs some 30 MB of resident memory, and more time than it saves.
 */
const SEMI_SPACE_MIB = 1;

export const runCommand: Command = {
  summary: "Take frames until SIGTERM",
  help: `paddock gateway run [--config FILE]
  --check-config   only check the configuration
  --print-config   print it with every default, as JSON
`,
  async run(args) {
    const { values } = parseOptions(args, {
      config: { type: "string", short: "c" },
      "check-config": { type: "boolean" },
      "print-config": { type: "boolean" },
    });
    const config = await configOf(values);
    if (values["print-config"] === true) {
      printJson(config);
      return 0;
    }
    if (values["check-config"] === true) {
      print("The configuration is valid.");
      return 0;
    }
    setFlagsFromString(`--max-semi-space-size=${SEMI_SPACE_MIB}`);
    // The status commands need nothing of what the gateway itself loads.
    const { runGateway } = await import("../run.ts");
    return runGateway(config);
  },
};
