import { setFlagsFromString } from "node:v8";
import { print, printJson } from "@paddock/base/printable.ts";
import { configOf, parseOptions, type Command } from "./options.ts";

/**
 * Keeps V8's young generation at its initial 1 MiB halves. Almost everything that the gateway allocates dies with its
 * datagram, so a large one only keeps dead buffers longer: growing to 16 MiB halves costs some 30 MB of resident memory
 * at 10,000 frames/s and saves no time. The maximum (--max-semi-space-size) can no longer be changed once V8 runs.
 */
const YOUNG_GENERATION = "--semi-space-growth-factor=1";

export const runCommand: Command = {
  summary: "Take frames until SIGTERM",
  help: `paddock gateway run [--config FILE]
  --check-config   only check the configuration and the files that it names: sensors, key, authorities
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
      const { problemsOfNamedFiles } = await import("../named-files.ts");
      const problems = await problemsOfNamedFiles(config);
      print(
        problems.length === 0
          ? "The configuration is valid, and so are the files that it names."
          : problems.map((problem) => problem.explain()).join("\n"),
      );
      return problems.length === 0 ? 0 : 2;
    }
    setFlagsFromString(YOUNG_GENERATION);
    // The status commands need nothing of what the gateway itself loads.
    const { runGateway } = await import("../run.ts");
    return runGateway(config);
  },
};
