import { writeFile } from "node:fs/promises";
import { toJsonSchema } from "@valibot/to-json-schema";
import { GatewayConfigSchema } from "./config.ts";

/**
 * The JSON Schema of the configuration, for editors and for the NixOS options. `node gateway/config-schema.ts` writes
 * gateway/config.schema.json; a test keeps the two equal. Rules across fields are not in it: `--check-config` has them.
 */
export function configJsonSchema(): string {
  const schema = toJsonSchema(GatewayConfigSchema, { typeMode: "input", errorMode: "ignore", target: "draft-2020-12" });
  return `${JSON.stringify({ ...schema, title: "Configuration of a Paddock gateway" }, null, 2)}\n`;
}

if (import.meta.main) await writeFile(new URL("config.schema.json", import.meta.url), configJsonSchema());
