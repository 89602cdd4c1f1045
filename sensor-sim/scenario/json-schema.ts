import { toJsonSchema } from "@valibot/to-json-schema";
import { scenarioSchema } from "./schema.ts";

/** The scenario's JSON Schema as it is written to scenario.schema.json; for editors and for the `schema` command. */
export function scenarioJsonSchema(): string {
  // Checks across fields and the parsing of durations have no JSON Schema form; the program itself makes them.
  const schema = toJsonSchema(scenarioSchema, { typeMode: "input", errorMode: "ignore" });
  return `${JSON.stringify({ title: "Paddock scenario", ...schema }, undefined, 2)}\n`;
}
