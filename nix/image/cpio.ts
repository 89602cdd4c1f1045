import { readFile } from "node:fs/promises";
import { sortedEntries, type Tree } from "./tree.ts";

const KIND = { directory: 0o040000, file: 0o100000, text: 0o100000, link: 0o120000 } as const;

/** The tree as an archive that the kernel unpacks as its first file system ("newc", Linux's initramfs buffer format). */
export async function cpioOf(tree: Tree): Promise<Buffer> {
  const parts: Buffer[] = [];
  let inode = 0;
  for (const [path, entry] of sortedEntries(tree)) {
    const mode = KIND[entry.kind] | (entry.kind === "link" ? 0o777 : entry.mode);
    const content = entry.kind === "file" ? await readFile(entry.from) : Buffer.from(contentOf(entry));
    parts.push(...member(path, ++inode, mode, content));
  }
  parts.push(...member("TRAILER!!!", 0, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function contentOf(entry: Exclude<ReturnType<Tree["get"]>, undefined>): string | Uint8Array {
  if (entry.kind === "link") return entry.to;
  return entry.kind === "text" ? entry.content : "";
}

function member(path: string, inode: number, mode: number, content: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [padded(Buffer.concat([Buffer.from(head), name])), padded(content)];
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
