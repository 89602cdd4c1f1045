import { createHash } from "node:crypto";
import * as v from "valibot";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import type { LogPlace } from "../../log/log-place.ts";
import { BOOTS_MAX } from "../dating.ts";
import type { Dating } from "../row.ts";
import type { MissingRecords } from "../sink.ts";

/**
 * The lake's journal, `_manifest.jsonl`: each line a commit with a checksum before it. A file is part of the lake when a
 * line has added it and none has removed it since.
 */

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const LakeFileEntry = v.strictObject({
  /** Below the lake: site=…/date=…/measurement=…/part-….parquet. */
  path: v.string(),
  bytes: whole,
  /** SHA-256 of its bytes, hex. */
  hash: v.string(),
  rows: whole,
  /** The log offsets that it covers: all rows of its partition from first to last are in it. */
  first: whole,
  last: whole,
});
export type LakeFile = v.InferOutput<typeof LakeFileEntry>;

const Commit = v.strictObject({
  add: v.array(LakeFileEntry),
  remove: v.array(v.string()),
  place: v.optional(
    v.strictObject({
      offset: whole,
      updated: v.number(),
      log: v.optional(v.string()),
      behind: v.optional(v.nullable(v.string())),
    }),
  ),
  datings: v.optional(
    v.array(v.strictObject({ gateway: v.string(), boot: whole, zeroUs: v.pipe(v.number(), v.safeInteger()) })),
  ),
  missing: v.optional(v.array(v.strictObject({ offset: whole, count: whole, why: v.string() }))),
  /** Everything before it counts no more: the lines before were left out. */
  whole: v.optional(v.literal(true)),
});
type StoredCommit = v.InferOutput<typeof Commit>;

export interface LakeCommit {
  readonly add: readonly LakeFile[];
  readonly remove: readonly string[];
  readonly place?: LogPlace | undefined;
  readonly datings?: readonly Dating[] | undefined;
  readonly missing?: readonly MissingRecords[] | undefined;
  readonly whole?: true | undefined;
}

/** What all lines together say. */
export interface LakeState {
  readonly files: ReadonlyMap<string, LakeFile>;
  readonly place: LogPlace | undefined;
  readonly datings: readonly Dating[];
  readonly missing: readonly MissingRecords[];
  /** Lines that made it. */
  readonly lines: number;
  /** What the last of them removed, and a crash may have left. */
  readonly justRemoved: readonly string[];
}

export const EMPTY_LAKE: LakeState = {
  files: new Map(),
  place: undefined,
  datings: [],
  missing: [],
  lines: 0,
  justRemoved: [],
};

const CHECK_DIGITS = 16;
/** Records that are gone are told one by one up to here. */
const MISSING_MAX = 1000;

export function encodeCommit(commit: LakeCommit): string {
  const text = JSON.stringify(commit);
  return `${check(text)} ${text}\n`;
}

function check(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, CHECK_DIGITS);
}

export interface ReadManifest {
  readonly state: LakeState;
  /** Bytes of the whole lines; what follows is a line that was not written to its end. */
  readonly goodBytes: number;
}

/**
 * Reads a journal. A last line that does not hold was being written when the power went: it counts for nothing. One that
 * does not hold before other lines is damage.
 */
export function readManifest(bytes: Uint8Array): Outcome<ReadManifest, "damaged"> {
  let state = EMPTY_LAKE;
  let at = 0;
  for (let line = 1; at < bytes.length; line++) {
    const found = bytes.indexOf(0x0a, at);
    const end = found < 0 ? bytes.length : found;
    const commit = found < 0 ? undefined : decodeCommit(Buffer.from(bytes.subarray(at, end)).toString("utf8"));
    if (commit === undefined) {
      if (end + 1 >= bytes.length) break;
      return refuse("damaged", `line ${line} does not hold`);
    }
    state = applyCommit(state, commit);
    at = end + 1;
  }
  return accept({ state, goodBytes: at });
}

function decodeCommit(line: string): LakeCommit | undefined {
  const text = line.slice(CHECK_DIGITS + 1);
  if (check(text) !== line.slice(0, CHECK_DIGITS)) return undefined;
  const stored: StoredCommit = v.parse(Commit, JSON.parse(text));
  return stored as LakeCommit;
}

/** Throws RangeError for a commit that removes what is not there, or adds what is. */
export function applyCommit(before: LakeState, commit: LakeCommit): LakeState {
  const base = commit.whole === true ? EMPTY_LAKE : before;
  const files = new Map(base.files);
  for (const path of commit.remove) {
    if (!files.delete(path)) throw new RangeError(`${path} is not in the lake`);
  }
  for (const file of commit.add) {
    if (files.has(file.path)) throw new RangeError(`${file.path} is in the lake already`);
    files.set(file.path, file);
  }
  return {
    files,
    place: commit.place ?? base.place,
    datings: newestBoots([...base.datings, ...(commit.datings ?? [])]),
    // Whoever goes back reads what lies behind once more, and is told of it once more.
    missing: [...base.missing.filter(isBefore(commit.place)), ...(commit.missing ?? [])].slice(-MISSING_MAX),
    lines: base.lines + 1,
    justRemoved: commit.remove,
  };
}

function isBefore(place: LogPlace | undefined): (records: MissingRecords) => boolean {
  return ({ offset }) => place === undefined || offset < place.offset;
}

function newestBoots(datings: readonly Dating[]): readonly Dating[] {
  const counts = new Map<string, number>();
  const kept: Dating[] = [];
  const seen = new Set<string>();
  for (const dating of datings.toReversed()) {
    const key = `${dating.gateway} ${dating.boot}`;
    const count = counts.get(dating.gateway) ?? 0;
    if (seen.has(key) || count >= BOOTS_MAX) continue;
    seen.add(key);
    counts.set(dating.gateway, count + 1);
    kept.push(dating);
  }
  return kept.toReversed();
}
