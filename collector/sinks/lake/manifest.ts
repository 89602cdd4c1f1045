import { createHash } from "node:crypto";
import * as v from "valibot";
import type { LogPlace } from "../../log/log-place.ts";
import type { Dating } from "../row.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const File = v.strictObject({
  /** Path in the lake. */
  name: v.pipe(v.string(), v.regex(/^site=[^/]+\/date=[^/]+\/measurement=[^/]+\/part-[\d-]+\.parquet$/u)),
  bytes: whole,
  sha256: v.string(),
  rows: whole,
  /** First and last log offset of its rows. */
  first: whole,
  last: whole,
});
export type LakeFile = v.InferOutput<typeof File>;

/** Log offsets from the first up to before the second. */
const Range = v.tuple([whole, whole]);
export type OffsetRange = v.InferOutput<typeof Range>;

const Place = v.strictObject({
  offset: whole,
  updated: v.number(),
  log: v.optional(v.string()),
  behind: v.optional(v.nullable(v.string())),
});

const Commit = v.strictObject({
  /** Stands in the first line: whose lake it is. */
  sink: v.optional(v.string()),
  add: v.array(File),
  remove: v.array(v.string()),
  place: v.nullable(Place),
  /** Offsets of which rows are missing, because a file is gone or has other bytes: all there are behind this line. */
  holes: v.optional(v.array(Range)),
  datings: v.optional(
    v.array(
      v.strictObject({
        gateway: v.string(),
        boot: v.pipe(v.number(), v.safeInteger()),
        zeroUs: v.pipe(v.number(), v.safeInteger()),
      }),
    ),
  ),
  /** Records that the log has no more. */
  missing: v.optional(v.array(v.strictObject({ offset: whole, count: whole, why: v.string() }))),
  /** What was before it counts no more: the line says all. */
  snapshot: v.optional(v.literal(true)),
});
export type LakeCommit = v.InferOutput<typeof Commit>;

const Line = v.strictObject({ check: v.string(), entry: v.unknown() });

/**
 * What the lake holds: the sum of the commits of a journal. Each line has a checksum over the one before it and itself,
 * so that none is missed, doubled or exchanged; the lines count up to the first that does not hold.
 */
export class Manifest {
  readonly files = new Map<string, LakeFile>();
  readonly #datings = new Map<string, Dating>();
  sink: string | undefined;
  place: LogPlace | undefined;
  holes: OffsetRange[] = [];
  missing = 0;
  /** Names of files that a commit removed: what a crash left of them is deleted. */
  readonly removed = new Set<string>();
  #check = "";
  /** Of the journal: the bytes of the lines that hold. */
  bytes = 0;

  /** Reads a journal; what stands behind `bytes` of it does not hold. */
  static read(journal: Buffer): Manifest {
    const manifest = new Manifest();
    for (;;) {
      const end = journal.indexOf(10, manifest.bytes);
      if (end < 0) return manifest;
      const entry = manifest.#entryOf(journal.toString("utf8", manifest.bytes, end));
      if (entry === undefined) return manifest;
      manifest.#apply(entry.commit, entry.check);
      manifest.bytes = end + 1;
    }
  }

  get datings(): Dating[] {
    return [...this.#datings.values()];
  }

  /** Whether a dating says something that is not known. */
  isNews({ gateway, boot, zeroUs }: Dating): boolean {
    return this.#datings.get(`${gateway} ${boot}`)?.zeroUs !== zeroUs;
  }

  /** The line of a commit that comes next. */
  lineOf(commit: LakeCommit): string {
    return `${JSON.stringify({ check: checkOf(this.#check, commit), entry: commit })}\n`;
  }

  /** Takes in a commit whose line is durable. */
  committed(commit: LakeCommit): void {
    this.bytes += Buffer.byteLength(this.lineOf(commit));
    this.#apply(commit, checkOf(this.#check, commit));
  }

  /** The line that says all that counts, as the first of a new journal. */
  snapshot(): string {
    const { sink, files, place, holes, datings } = this;
    const commit: LakeCommit = {
      ...(sink === undefined ? {} : { sink }),
      snapshot: true,
      add: [...files.values()],
      remove: [],
      place: place ?? null,
      holes,
      datings,
    };
    return `${JSON.stringify({ check: checkOf("", commit), entry: commit })}\n`;
  }

  #entryOf(text: string): { readonly commit: LakeCommit; readonly check: string } | undefined {
    try {
      const { check, entry } = v.parse(Line, JSON.parse(text));
      if (check !== checkOf(this.#check, entry)) return undefined;
      return { commit: v.parse(Commit, entry), check };
    } catch {
      return undefined;
    }
  }

  #apply(commit: LakeCommit, check: string): void {
    if (commit.snapshot === true) this.files.clear();
    for (const name of commit.remove) {
      this.files.delete(name);
      this.removed.add(name);
    }
    for (const file of commit.add) {
      this.files.set(file.name, file);
      this.removed.delete(file.name);
    }
    for (const dating of commit.datings ?? []) this.#datings.set(`${dating.gateway} ${dating.boot}`, dating);
    this.sink ??= commit.sink;
    this.place = commit.place === null ? undefined : placeOf(commit.place);
    this.holes = commit.holes ?? this.holes;
    for (const { count } of commit.missing ?? []) this.missing += count;
    this.#check = check;
  }
}

function checkOf(before: string, entry: unknown): string {
  return createHash("sha256").update(before).update(JSON.stringify(entry)).digest("hex").slice(0, 32);
}

/** Without what is undefined. */
export function placeOf({ offset, updated, log, behind }: v.InferOutput<typeof Place> | LogPlace): LogPlace {
  return {
    offset,
    updated,
    ...(log === undefined ? {} : { log }),
    ...(behind === undefined ? {} : { behind }),
  };
}

/** Ranges without what lies between two offsets, and sorted. */
export function without(ranges: readonly OffsetRange[], from: number, to: number): OffsetRange[] {
  return ranges.flatMap(([first, end]) => {
    const left: OffsetRange = [first, Math.min(end, from)];
    const right: OffsetRange = [Math.max(first, to), end];
    return [left, right].filter(([low, high]) => low < high);
  });
}

/** The union of ranges, in order. */
export function united(ranges: readonly OffsetRange[]): OffsetRange[] {
  const sorted = ranges.toSorted((left, right) => left[0] - right[0]);
  const result: OffsetRange[] = [];
  for (const [first, end] of sorted) {
    const last = result.at(-1);
    if (last !== undefined && first <= last[1]) result[result.length - 1] = [last[0], Math.max(last[1], end)];
    else result.push([first, end]);
  }
  return result;
}
