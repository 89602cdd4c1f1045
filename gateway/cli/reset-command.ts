import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { print } from "@paddock/base/printable.ts";
import { parseOptions, type Command } from "./options.ts";

export const resetCommand: Command = {
  summary: "Erase readings, identity and configuration at the next start of an image",
  help: `paddock gateway factory-reset [--config-dir /config]
  Puts a file named factory-reset into the CONFIG partition, as anybody can who has the card in a reader; the next start
  destroys the key of the data partition, or overwrites all of it where it is not encrypted, and what CONFIG holds. Nothing
  brings any of it back: readings that no collector has are lost, and the gateway is another one afterwards.
  --erase DEVICE      for that start: destroy the key, or overwrite the device, and read back
  --clear-config      for that start: empty CONFIG, the request last
`,
  async run(args) {
    const { values } = parseOptions(args, {
      "config-dir": { type: "string", default: "/config" },
      erase: { type: "string" },
      "clear-config": { type: "boolean", default: false },
    });
    const { clearConfig, REQUEST_FILE } = await import("../reset/erase.ts");
    if (values.erase !== undefined) {
      const { destroyOnMachine } = await import("../data/machine.ts");
      const what = await destroyOnMachine(values.erase);
      if (what === "key") print(`factory reset: the key of ${values.erase} is destroyed; what it locked is noise`);
    } else if (values["clear-config"]) {
      await clearConfig(values["config-dir"]);
      print("factory reset: done; nothing of what this gateway was is left");
    } else {
      await writeFile(join(values["config-dir"], REQUEST_FILE), "");
      print("The next start erases this gateway. Until then `rm` of that file takes it back.");
    }
    return 0;
  },
};
