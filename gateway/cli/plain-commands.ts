import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { defaultKeyFile, loadOrCreateIdentity } from "@paddock/wire/identity-file.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { askGateway } from "../status/status-client.ts";
import { ASKING, configOf, parseOptions, socketOf, type Command } from "./options.ts";

/** Between a store and its key lies an opening of LevelDB; the rest is for a slow card. */
const FIRST_START_MS = 2000;

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

/** A gateway that starts for the first time makes its store before its key: waits for that one, in vain when it is lost. */
async function keyOfFirstStart(dataDir: string): Promise<void> {
  const untilMs = performance.now() + FIRST_START_MS;
  while (!existsSync(defaultKeyFile(dataDir)) && performance.now() < untilMs) await setTimeout(50);
}

export const identityCommand: Command = {
  summary: "Print the id and the public key of this gateway",
  help: `paddock gateway identity [--config FILE] [--json]
  The gateway need not run: where there is neither key nor store yet, the key is made, as the first start would.
`,
  async run(args) {
    const { values } = parseOptions(args, { config: ASKING.config, json: ASKING.json });
    const {
      dataDir,
      identity: { keyFile },
    } = await configOf(values);
    // Whoever asks before the first start wants to have the gateway approved before it is shipped.
    const mayCreate = !existsSync(join(dataDir, "store"));
    if (!mayCreate && keyFile === null) await keyOfFirstStart(dataDir);
    const { identity } = await loadOrCreateIdentity({ dataDir, keyFile, mayCreate });
    const id = Buffer.from(identity.id).toString("hex");
    const publicKey = Buffer.from(identity.publicKeyRaw).toString("hex");
    if (values.json === true) printJson({ id, publicKey });
    else print(`id          ${id}\npublic key  ${publicKey}`);
    return 0;
  },
};
