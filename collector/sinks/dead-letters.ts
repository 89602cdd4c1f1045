import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import { setAside } from "../set-aside.ts";
import type { DeadLetter } from "./row.ts";
import type { MissingRecords } from "./sink.ts";

/** Letters kept, the newest, and characters of their reasons. */
const LETTERS_MAX = 1000;
const REASON_CHARS_MAX = 400;

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const DeadLetterFile = v.strictObject({
  /** What lies before this offset was looked at. */
  upTo: offset,
  /** From which offset on `total` and `missing` count. */
  countedFrom: offset,
  total: offset,
  missing: v.record(v.string(), offset),
  letters: v.pipe(
    v.array(v.strictObject({ offset, gateway: v.string(), source: v.string(), reason: v.string() })),
    v.maxLength(LETTERS_MAX),
  ),
});

/** What a sink could not take of the log. */
export type DeadLetterReport = v.InferOutput<typeof DeadLetterFile>;

const EMPTY: DeadLetterReport = { upTo: 0, countedFrom: 0, total: 0, missing: {}, letters: [] };

/**
 * What of the log is not in a sink: readings that cannot be rows, the newest with their reasons, and records that are gone,
 * counted by why. Kept before the chunk that they are of, and counted once however often that is given.
 */
export class DeadLetters {
  readonly #path: string;
  #kept: DeadLetterReport;

  private constructor(path: string, kept: DeadLetterReport) {
    this.#path = path;
    this.#kept = kept;
  }

  /** One that is damaged is set aside. */
  static async open(path: string, log: Log): Promise<DeadLetters> {
    try {
      return new DeadLetters(path, await readDeadLetters(path));
    } catch (error) {
      await setAside(log, path, error, "an empty list of dead letters");
      return new DeadLetters(path, EMPTY);
    }
  }

  get report(): DeadLetterReport {
    return this.#kept;
  }

  /** Keeps what a chunk up to log offset `to` has; durable when it resolves. */
  async keep(to: number, letters: readonly DeadLetter[], missing: readonly MissingRecords[]): Promise<void> {
    const { upTo, total, missing: counts, letters: before } = this.#kept;
    const fresh = letters.filter((letter) => letter.offset >= upTo);
    const gone = missing.filter((records) => records.offset + records.count > upTo);
    if (fresh.length === 0 && gone.length === 0) return;
    const sums = { ...counts };
    for (const records of gone) {
      sums[records.why] = (sums[records.why] ?? 0) + records.offset + records.count - Math.max(records.offset, upTo);
    }
    const cut = fresh.map(({ offset: at, gateway, source, reason }) => ({
      offset: at,
      gateway,
      source,
      reason: reason.slice(0, REASON_CHARS_MAX),
    }));
    await this.#replace({
      ...this.#kept,
      upTo: Math.max(upTo, to),
      total: total + fresh.length,
      missing: sums,
      letters: [...before, ...cut].slice(-LETTERS_MAX),
    });
  }

  /** Forgets what lies at log offset `from` and behind it, which will be read again, and counts from there. */
  async rewind(from: number): Promise<void> {
    if (this.#kept.upTo <= from) return;
    const letters = this.#kept.letters.filter((letter) => letter.offset < from);
    await this.#replace({ upTo: from, countedFrom: from, total: 0, missing: {}, letters });
  }

  async #replace(next: DeadLetterReport): Promise<void> {
    await replaceFile(this.#path, `${JSON.stringify(next)}\n`);
    this.#kept = next;
  }
}

/** Where the list of a sink lies. */
export function deadLetterFile(directory: string, sink: string): string {
  return join(directory, `${sink}.dead.json`);
}

/** The list in a file, empty when there is none. Throws when it is damaged. */
export async function readDeadLetters(path: string): Promise<DeadLetterReport> {
  try {
    return v.parse(DeadLetterFile, JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return EMPTY;
    throw error;
  }
}
