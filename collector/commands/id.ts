import { print, printJson } from "@paddock/base/printable.ts";
import { hexOf } from "../chain-name.ts";
import { loadIdentity } from "../identity-file.ts";
import { configOf, parseCommandLine, type Command } from "./command.ts";

export const id: Command = {
  name: "id",
  usage: "[--config FILE] [--json]",
  summary: "print the public key that gateways pin",
  help: `  --config FILE   the collector's configuration
  --json          print {"publicKey", "id"}

Makes the identity when there is none yet, so that gateways can be configured before the collector first runs.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, { config: { type: "string" }, json: { type: "boolean" } });
    const { config } = await configOf(parsed);
    const identity = await loadIdentity(config.dataDir);
    const publicKey = hexOf(identity.publicKeyRaw);
    if (parsed.values["json"] === true) printJson({ publicKey, id: hexOf(identity.id) });
    else print(publicKey);
    return 0;
  },
};
