import { readFile } from "node:fs/promises";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../../docs/data.md");

/** What docs/data.md tells the server's administrator to do for the bridge and the pages, word by word. */
export async function documentedGrants(): Promise<string> {
  const match = /```\n(CREATE DATABASE paddock;[^]*?)```/u.exec(await readFile(PAGE, "utf8"));
  if (match === null) throw new Error("docs/data.md does not say how the database and its users are made");
  return match[1]!;
}
