import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]{0,63}$/u));

/** Names a file and how many of its bytes are kept; what lies behind them was never confirmed. */
const FileLength = v.strictObject({ name, bytes: whole });

const Place = v.strictObject({
  version: v.literal(1),
  sink: v.string(),
  place: v.strictObject({
    offset: whole,
    updated: v.number(),
    log: v.optional(v.string()),
    behind: v.optional(v.nullable(v.string())),
  }),
  /** The newest file of rows, and Unix ms at which it was begun; null when there is none. */
  file: v.nullable(v.strictObject({ ...FileLength.entries, sinceMs: v.number() })),
  datings: v.nullable(FileLength),
});

/** Where a sink of files stands, and which bytes of its files are its rows. */
export type FilesPlace = v.InferOutput<typeof Place>;

const PlaceFile = v.strictObject({ sha256: v.string(), content: v.unknown() });

/** Reads it, and believes it when it hashes to what it says. Undefined when there is none; throws when it is damaged. */
export async function readPlace(path: string): Promise<FilesPlace | undefined> {
  let text;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { sha256, content } = v.parse(PlaceFile, JSON.parse(text));
  if (hashOf(content) !== sha256) throw new Error("Its content is not what its hash says.");
  return v.parse(Place, content);
}

export function writePlace(path: string, content: FilesPlace): Promise<void> {
  return replaceFile(path, `${JSON.stringify({ sha256: hashOf(content), content })}\n`);
}

function hashOf(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
