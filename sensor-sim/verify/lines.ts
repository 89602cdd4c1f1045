import { createReadStream } from "node:fs";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** Characters of one line; the largest frame in base64 takes a tenth of it. */
const LINE_CHARACTERS_MAX = 1024 * 1024;

/** The JSON object on a line, or undefined. */
export function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Calls back with each line of a file, or of standard input when `path` is `-`. Throws USAGE when it cannot be read. */
export async function eachLine(path: string, take: (line: string) => void): Promise<void> {
  const stream = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 256 * 1024 });
  stream.setEncoding("utf8");
  let rest = "";
  try {
    for await (const piece of stream) {
      const lines = (rest + String(piece)).split("\n");
      rest = lines.pop()!;
      if (rest.length > LINE_CHARACTERS_MAX) throw new Error(`a line has more than ${LINE_CHARACTERS_MAX} characters`);
      for (const line of lines) if (line !== "") take(line);
    }
  } catch (error) {
    throw new PaddockError("USAGE", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  if (rest !== "") take(rest);
}
