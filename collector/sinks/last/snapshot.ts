import { createHash } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { syncDirectory } from "@paddock/base/durable-file.ts";
import type { LogPlace } from "../../log/log-place.ts";
import { linesOf, writeFrom } from "../files/disk.ts";
import type { Dating } from "../row.ts";
import type { LastState } from "./last-values.ts";
import type { LastReading } from "./reading.ts";

const VERSION = 1;
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Head = v.strictObject({
  version: v.literal(VERSION),
  place: v.strictObject({
    offset: whole,
    updated: v.number(),
    log: v.optional(v.string()),
    behind: v.optional(v.nullable(v.string())),
  }),
  state: v.strictObject({ since: whole, evictions: whole, evictedTo: whole }),
  datings: v.array(v.strictObject({ gateway: v.string(), boot: whole, zeroUs: v.pipe(v.number(), v.safeInteger()) })),
});
const Tail = v.strictObject({ sha256: v.string() });

export interface SnapshotHead {
  readonly place: LogPlace;
  readonly state: LastState;
  readonly datings: readonly Dating[];
}

export type SnapshotEntry = readonly [since: number, reading: LastReading];

export interface Snapshot extends SnapshotHead {
  readonly entries: readonly SnapshotEntry[];
}

/**
 * Replaces the file by lines of JSON: what is known of the whole, a line for each reading, and a hash over all before it.
 * What stands there stays until the new one is durable.
 */
export async function writeSnapshot(path: string, head: SnapshotHead, entries: Iterable<SnapshotEntry>): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await writeFrom(temporary, 0, hashedLines({ version: VERSION, ...head }, entries));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

function* hashedLines(head: unknown, entries: Iterable<SnapshotEntry>): Generator<string> {
  const hash = createHash("sha256");
  const hashed = (value: unknown): string => {
    const line = `${JSON.stringify(value)}\n`;
    hash.update(line);
    return line;
  };
  yield hashed(head);
  for (const entry of entries) yield hashed(entry);
  yield `${JSON.stringify({ sha256: hash.digest("hex") })}\n`;
}

/** Reads one, and believes it when it hashes to what it says. Undefined when there is none; throws when it is damaged. */
export async function readSnapshot(path: string): Promise<Snapshot | undefined> {
  const hash = createHash("sha256");
  const lines: Buffer[] = [];
  let head: v.InferOutput<typeof Head> | undefined;
  const entries: SnapshotEntry[] = [];
  try {
    for await (const line of linesOf(path)) {
      lines.push(line);
      if (lines.length < 2) continue;
      const before = lines.shift()!;
      hash.update(before).update("\n");
      const value: unknown = JSON.parse(before.toString("utf8"));
      if (head === undefined) head = v.parse(Head, value);
      else entries.push(value as SnapshotEntry);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const tail = v.parse(Tail, JSON.parse(lines[0]?.toString("utf8") ?? "null"));
  if (head === undefined || hash.digest("hex") !== tail.sha256)
    throw new Error("Its content is not what its hash says.");
  const { log, behind, ...place } = head.place;
  return {
    place: { ...place, ...(log === undefined ? {} : { log }), ...(behind === undefined ? {} : { behind }) },
    state: head.state,
    datings: head.datings,
    entries,
  };
}
