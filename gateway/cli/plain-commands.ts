import { PaddockError } from "@paddock/base/errors.ts";
import { defaultKeyFile, readIdentity } from "@paddock/wire/identity-file.ts";
import { askGateway } from "../status/status-client.ts";
import { ASKING, configOf, parseOptions, print, printJson, socketOf, type Command } from "./options.ts";

export const metricsCommand: Command = {
  summary: "Print the metrics as OpenMetrics text",
  help: `paddock gateway metrics [--config FILE | --socket PATH] [--json]
`,
  async run(args) {
    const { values } = parseOptions(args, ASKING);
    const text = await askGateway<"metrics">(await socketOf(values), { get: "metrics" });
    if (values.json === true) printJson({ openmetrics: text });
    else print(text);
    return 0;
  },
};

export const identityCommand: Command = {
  summary: "Print the id and the public key of this gateway",
  help: `paddock gateway identity [--config FILE] [--json]
  Reads the key file; the gateway need not run.
`,
  async run(args) {
    const { values } = parseOptions(args, { config: ASKING.config, json: ASKING.json });
    const {
      dataDir,
      identity: { keyFile },
    } = await configOf(values);
    const path = keyFile ?? defaultKeyFile(dataDir);
    const identity = await readIdentity(path);
    if (identity === undefined) {
      throw new PaddockError("IDENTITY_UNREADABLE", `${path} does not exist; the first start of the gateway makes it.`);
    }
    const id = Buffer.from(identity.id).toString("hex");
    const publicKey = Buffer.from(identity.publicKeyRaw).toString("hex");
    if (values.json === true) printJson({ id, publicKey });
    else print(`id          ${id}\npublic key  ${publicKey}`);
    return 0;
  },
};
