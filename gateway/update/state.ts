import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";

/** Where what happened to releases is kept, apart from the data of the gateway, which must not write it. */
export const UPDATE_DIR = "/var/lib/paddock-update";

const FILE = "state.json";
const PENDING_MARK = "pending";
const FILE_MODE = 0o644;
const FILE_BYTES_MAX = 256 * 1024;
/** The newest ones are kept. */
const RESULTS_MAX = 32;
const TEXT_MAX = 1000;

/** How ids of what sticks asked for begin; 32 hex digits follow. */
export const STICK_ID = "stick-";

const text = v.pipe(v.string(), v.maxLength(TEXT_MAX));
const unixMs = v.pipe(v.number(), v.safeInteger());

const holdSchema = v.object({
  since: unixMs,
  until: v.nullable(unixMs),
  reason: v.nullable(text),
  /** The release whose taking back began it; whoever stands before the machine may install another one. */
  takenBack: v.optional(text),
});

const resultSchema = v.object({
  /** Of the request or of what a stick asked for; null when a person asked in a shell. */
  id: v.nullable(text),
  kind: v.picklist(["release", "config"]),
  version: v.optional(text),
  revision: v.optional(v.number()),
  outcome: v.picklist(["applied", "refused", "reverted", "failed"]),
  reason: v.nullable(text),
  at: unixMs,
});

const stateSchema = v.object({
  running: v.nullable(text),
  previous: v.nullable(text),
  /** What is being installed, or is installed and not yet proven or given up. */
  pending: v.nullable(
    v.object({
      id: v.nullable(text),
      version: text,
      from: text,
      at: unixMs,
      /** Whether all of it is on the disk, so that the next start is its first. */
      written: v.boolean(),
      /** How often a request failed for a reason that may pass. */
      attempts: v.pipe(v.number(), v.safeInteger()),
      /** Why the gate gave it up, or why the last attempt failed. */
      reason: v.nullable(text),
    }),
  ),
  hold: v.nullable(holdSchema),
  /** Of the release before: seconds since its newest receipt when it was last asked; null: it had none. */
  lastReceiptBefore: v.nullable(v.object({ receiptS: v.nullable(v.number()), at: unixMs })),
  results: v.pipe(v.array(resultSchema), v.maxLength(RESULTS_MAX)),
});

/** What is known of the releases of this device. Times are Unix ms by its own clock, which may be wrong. */
export type UpdateState = v.InferOutput<typeof stateSchema>;
export type UpdateResult = v.InferOutput<typeof resultSchema>;
export type Hold = v.InferOutput<typeof holdSchema>;

export const NO_STATE: UpdateState = {
  running: null,
  previous: null,
  pending: null,
  hold: null,
  lastReceiptBefore: null,
  results: [],
};

/** Until when a hold is in force, in words; undefined when it is over. A clock from before the hold ends none. */
export function heldUntil({ since, until, reason }: Hold, nowMs: number): string | undefined {
  if (until !== null && nowMs >= since && nowMs >= until) return undefined;
  const end = until === null ? "until they are released" : `until ${new Date(until).toISOString()}`;
  return reason === null ? end : `${end} (${reason})`;
}

/** The state with one more result; the oldest makes room. */
export function withResult(state: UpdateState, result: UpdateResult): UpdateState {
  const short = { ...result, reason: result.reason?.slice(0, TEXT_MAX) ?? null };
  return { ...state, results: [...state.results, short].slice(-RESULTS_MAX) };
}

/**
 * The state in `directory`; that of a new device when there is none. A damaged file is set aside under another name: what
 * it said is worth less than an update. Throws UPDATE_FAILED when it cannot be read.
 */
export async function readState(directory: string, tell: (line: string) => void = () => {}): Promise<UpdateState> {
  const path = join(directory, FILE);
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NO_STATE;
    throw new PaddockError("UPDATE_FAILED", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  const state = decodeState(content);
  if (state !== undefined) return state;
  tell(`${path} is damaged; what it said is set aside as ${FILE}.damaged.`);
  await rename(path, `${path}.damaged`);
  return NO_STATE;
}

/** The state in the text of its file; undefined when that is damaged. */
export function decodeState(content: string): UpdateState | undefined {
  if (content.length > FILE_BYTES_MAX) return undefined;
  try {
    const read = v.safeParse(stateSchema, JSON.parse(content));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Replaces the state, durably. A file beside it is there while something is pending: that is what units look for. Throws
 * UPDATE_FAILED.
 */
export async function writeState(directory: string, state: UpdateState): Promise<void> {
  const mark = join(directory, PENDING_MARK);
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    if (state.pending !== null) await writeFile(mark, "");
    await replaceFile(join(directory, FILE), `${JSON.stringify(state, null, 1)}\n`, FILE_MODE);
    if (state.pending === null) await rm(mark, { force: true });
  } catch (error) {
    throw new PaddockError("UPDATE_FAILED", `${join(directory, FILE)} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Look at the disk: it may be full or read-only.",
    });
  }
}
