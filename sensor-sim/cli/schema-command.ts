import { readFile } from "node:fs/promises";

/** `sim schema`: the JSON Schema of scenario files; a test keeps the file equal to the schema in the code. */
export async function schemaCommand(): Promise<number> {
  process.stdout.write(await readFile(new URL("../scenario.schema.json", import.meta.url), "utf8"));
  return 0;
}
