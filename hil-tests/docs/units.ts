import { glob, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./generated-tables.ts";

export const ROOT_PATH = fileURLToPath(ROOT);

/** The units of nix/units by name, with the sources in place of /opt/paddock. */
export async function unitsFromSources(): Promise<ReadonlyMap<string, string>> {
  const units = new Map<string, string>();
  for await (const path of glob("nix/units/*.service", { cwd: ROOT_PATH })) {
    const unit = await readFile(join(ROOT_PATH, path), "utf8");
    units.set(basename(path), unit.replaceAll("/opt/paddock/", ROOT_PATH));
  }
  return units;
}
