import { readFile, writeFile } from "node:fs/promises";
import { blankForeignLanguages } from "./icu-data.ts";
import { blankTypeStripper } from "./type-stripper.ts";

/**
 * Makes blank in a copy of Node what no image uses, in place: its size stays, and a third of its room in a compressed file
 * system goes. Rejects where a part is not found: then this is another Node than the one that people looked at.
 */
export async function blankUnused(node: string): Promise<void> {
  const program = await readFile(node);
  blankForeignLanguages(program);
  blankTypeStripper(program);
  await writeFile(node, program);
}
