import { print } from "@paddock/base/printable.ts";
import { parseOptions, type Command } from "./options.ts";

export const provisionCommand: Command = {
  summary: "Make from a CONFIG partition what the gateway runs with",
  help: `paddock gateway provision [--config-dir /config] [--state-dir /var/lib/paddock] [--run-dir /run/paddock]
  --leds-dir DIR      the lights of the board (/sys/class/leds): one blinks fast while something is wrong
  --network-dir DIR   where .network files go (/run/systemd/network)
  For images, before each start of the gateway. What is wrong is told here and in config-errors.txt of the partition; the
  gateway then runs with the last good configuration, or takes and keeps frames. Ends with 0 whatever it finds.
`,
  async run(args) {
    const text = { type: "string" } as const;
    const { values } = parseOptions(args, {
      "config-dir": { ...text, default: "/config" },
      "state-dir": { ...text, default: "/var/lib/paddock" },
      "run-dir": { ...text, default: "/run/paddock" },
      "leds-dir": { ...text, default: "/sys/class/leds" },
      "network-dir": { ...text, default: "/run/systemd/network" },
    });
    const { provision } = await import("../provision/provision.ts");
    await provision({
      configDir: values["config-dir"],
      stateDir: values["state-dir"],
      runDir: values["run-dir"],
      ledsDir: values["leds-dir"],
      networkDir: values["network-dir"],
      tell: print,
    });
    return 0;
  },
};
