import { createReadStream } from "node:fs";
import { open, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "@paddock/base/durable-file.ts";

/** Bytes written at once. */
const PIECE_BYTES = 1 << 20;

/** Writes texts into a file from a byte on, durably; what stood behind that byte is gone. Returns the file's length. */
export async function writeFrom(path: string, at: number, texts: Iterable<string>): Promise<number> {
  const isNew = at === 0;
  if (isNew) await rm(path, { force: true });
  const file = await open(path, isNew ? "wx" : "r+", 0o640);
  let end = at;
  try {
    if (!isNew) await file.truncate(at);
    let pieces: string[] = [];
    let length = 0;
    for (const text of texts) {
      pieces.push(text);
      length += text.length;
      if (length < PIECE_BYTES) continue;
      end = await writeAll(file, pieces.join(""), end);
      pieces = [];
      length = 0;
    }
    end = await writeAll(file, pieces.join(""), end);
    await file.datasync();
  } finally {
    await file.close();
  }
  if (isNew) await syncDirectory(dirname(path));
  return end;
}

async function writeAll(file: FileHandle, text: string, at: number): Promise<number> {
  const bytes = Buffer.from(text, "utf8");
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
  return at + bytes.length;
}

/** Cuts a file to its first `bytes`. False when it is shorter, or not there. */
export async function cutTo(path: string, bytes: number): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined || found.size < bytes) return false;
  if (found.size === bytes) return true;
  const file = await open(path, "r+");
  try {
    await file.truncate(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}

/** The whole lines of a file, without their ends. Not by readline, to which more than a line feed ends a line. */
export async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    const bytes = held.length === 0 ? piece : Buffer.concat([held, piece]);
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield bytes.subarray(from, end);
      from = end + 1;
    }
    held = bytes.subarray(from);
  }
}
