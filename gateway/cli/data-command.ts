import { PaddockError } from "@paddock/base/errors.ts";
import { parseOptions, type Command } from "./options.ts";

export const dataCommand: Command = {
  summary: "Open the encrypted data partition of an image, for its start",
  help: `paddock gateway data open [--device /run/paddock-boot/data]
  Makes /dev/mapper/data of it, and the partition itself where nothing is on it yet: encrypted by a key that the TPM
  keeps, or that lies in front of the data where the machine has none. What cannot be opened is left as it is.
`,
  async run(args) {
    const { values, positionals } = parseOptions(
      args,
      { device: { type: "string", default: "/run/paddock-boot/data" } },
      1,
    );
    if (positionals[0] !== "open") throw new PaddockError("USAGE", `data ${positionals[0] ?? ""}: expected open.`);
    const { openOnMachine } = await import("../data/machine.ts");
    await openOnMachine(values.device);
    return 0;
  },
};
