import { chmod, copyFile, mkdir, symlink, utimes, writeFile, lutimes } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Something in a file system that is to be made. Owner and group are always root. */
export type Entry =
  | { readonly kind: "directory"; readonly mode: number }
  | { readonly kind: "link"; readonly to: string }
  | { readonly kind: "file"; readonly mode: number; readonly from: string }
  | { readonly kind: "text"; readonly mode: number; readonly content: string | Uint8Array };

/** Files by path, without a slash in front; directories above an entry are made by themselves, with mode 755. */
export type Tree = Map<string, Entry>;

const DIRECTORY: Entry = { kind: "directory", mode: 0o755 };

/** Every entry in the order of its path, so that directories come before what is in them. */
export function sortedEntries(tree: Tree): [string, Entry][] {
  const all = new Map(tree);
  for (const path of tree.keys())
    for (let above = dirname(path); above !== "."; above = dirname(above))
      if (!all.has(above)) all.set(above, DIRECTORY);
  return [...all].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Writes the tree into an empty directory, every time stamp at 1970: what is made of it depends on nothing else. */
export async function writeTree(tree: Tree, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  const entries = sortedEntries(tree);
  for (const [path, entry] of entries) {
    const place = join(root, path);
    if (entry.kind === "directory") await mkdir(place);
    else if (entry.kind === "link") await symlink(entry.to, place);
    else if (entry.kind === "file") await copyFile(entry.from, place);
    else await writeFile(place, entry.content);
    if (entry.kind !== "link") await chmod(place, entry.mode);
  }
  for (const [path, { kind }] of entries.toReversed())
    await (kind === "link" ? lutimes : utimes)(join(root, path), 0, 0);
}
