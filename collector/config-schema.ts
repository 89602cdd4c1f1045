import { writeFile } from "node:fs/promises";
import { toJsonSchema } from "@valibot/to-json-schema";
import { CollectorConfigSchema } from "./config.ts";

/** The configuration as JSON Schema, for editors and for the NixOS options; what it cannot say, the program checks. */
export function configJsonSchema(): unknown {
  return JSON.parse(JSON.stringify(toJsonSchema(CollectorConfigSchema, { typeMode: "input", errorMode: "ignore" })));
}

// Run as a program, it writes the file that the test compares with.
if (import.meta.main) {
  await writeFile(new URL("config.schema.json", import.meta.url), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
}
