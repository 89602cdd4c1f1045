import { link, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Log } from "@paddock/base/log.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { replaceFile, syncDirectory } from "@paddock/base/durable-file.ts";
import { ownDirectory, setAside } from "../set-aside.ts";
import type { LogMark, LogPlace } from "./log-place.ts";

const ConsumerFile = v.strictObject({
  /** The next log offset that the consumer wants. */
  offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Unix ms. */
  updated: v.number(),
  /** How the log is known again in which this is a place; absent in files of an older version. */
  log: v.optional(v.string()),
  behind: v.optional(v.nullable(v.string())),
});

export interface Consumer extends LogPlace {
  readonly name: string;
}

export type ConsumerProblem =
  /** Not 1 to 64 of `a-z 0-9 . _ -`, starting with a letter or digit. */
  | "name"
  /** Lower than what is kept, without `rewind`. */
  | "backwards"
  /** Behind the end of the log. */
  | "beyond-end"
  | "too-many";

interface PutOptions {
  readonly rewind: boolean;
  readonly logEnd: number;
  /** Of the new offset. */
  readonly mark: LogMark;
  readonly nowMs: number;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/u;
const CONSUMERS_MAX = 1024;

/** What follows the name of the file with a consumer's place, and of the one with the place before. */
const FILE_END = ".json";
const BEFORE_END = ".before";

/**
 * Named places in the log, each one durable file, so that a consumer can start again where it was. Beside it lies the
 * place before: from there a consumer whose file is damaged goes on, and reads some records twice rather than none.
 */
export class Consumers {
  readonly #directory: string;
  readonly #consumers = new Map<string, Consumer>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string, log: Log): Promise<Consumers> {
    await ownDirectory(directory, log);
    const consumers = new Consumers(directory);
    const files = await readdir(directory);
    for (const file of files.toSorted()) {
      const name = file.endsWith(FILE_END) ? file.slice(0, -FILE_END.length) : "";
      if (!NAME.test(name)) continue;
      const consumer = await consumers.#read(name, log);
      if (consumer !== undefined) consumers.#consumers.set(name, consumer);
    }
    return consumers;
  }

  async #read(name: string, log: Log): Promise<Consumer | undefined> {
    const path = this.#path(name);
    try {
      return await readConsumer(path, name);
    } catch (error) {
      const before = await readConsumer(this.#path(name, BEFORE_END), name).catch(() => undefined);
      const goesOnWith = before === undefined ? "no place for this consumer" : `its place before, ${before.offset}`;
      await setAside(log, path, error, goesOnWith);
      return before;
    }
  }

  all(): Consumer[] {
    return [...this.#consumers.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  }

  get(name: string): Consumer | undefined {
    return this.#consumers.get(name);
  }

  /** Moves a consumer, or makes one. When this resolves with its new place, that place is durable. */
  put(name: string, offset: number, options: PutOptions): Promise<Outcome<Consumer, ConsumerProblem>> {
    const result = this.#turn.then(() => this.#put(name, offset, options));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #put(
    name: string,
    offset: number,
    { rewind, logEnd, mark, nowMs }: PutOptions,
  ): Promise<Outcome<Consumer, ConsumerProblem>> {
    if (!NAME.test(name)) return refuse("name", "A consumer's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'.");
    if (offset > logEnd) return refuse("beyond-end", `Offset ${offset} is beyond the end of the log, ${logEnd}.`);
    const known = this.#consumers.get(name);
    if (known === undefined && this.#consumers.size >= CONSUMERS_MAX) {
      return refuse("too-many", `There are ${CONSUMERS_MAX} consumers already.`);
    }
    if (known !== undefined && offset < known.offset && !rewind) {
      const why = `${name} is at ${known.offset}; going back to ${offset} takes "rewind": true`;
      return refuse("backwards", `${why}. A reader that is told this was overtaken: each needs a name of its own.`);
    }
    const place = { offset, updated: nowMs, ...mark };
    await this.#keepBefore(name);
    await replaceFile(this.#path(name), `${JSON.stringify(place)}\n`);
    const consumer = { name, ...place };
    this.#consumers.set(name, consumer);
    return accept(consumer);
  }

  /** Forgets a consumer; whether there was one. */
  remove(name: string): Promise<boolean> {
    const result = this.#turn.then(async () => {
      if (!this.#consumers.has(name)) return false;
      await rm(this.#path(name), { force: true });
      await rm(this.#path(name, BEFORE_END), { force: true });
      await syncDirectory(this.#directory);
      return this.#consumers.delete(name);
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  /** The file as it is gets a second name, and the new one is written beside it: no byte of it is touched any more. */
  async #keepBefore(name: string): Promise<void> {
    if (!this.#consumers.has(name)) return;
    const fresh = this.#path(name, `${BEFORE_END}.new`);
    await rm(fresh, { force: true });
    try {
      await link(this.#path(name), fresh);
      await rename(fresh, this.#path(name, BEFORE_END));
    } catch {
      // Without it the place is as durable as ever; only damage would cost more.
    }
  }

  #path(name: string, end: string = FILE_END): string {
    return join(this.#directory, `${name}${end}`);
  }
}

async function readConsumer(path: string, name: string): Promise<Consumer> {
  const { log, behind, ...place } = v.parse(ConsumerFile, JSON.parse(await readFile(path, "utf8")));
  return { name, ...place, ...(log === undefined ? {} : { log }), ...(behind === undefined ? {} : { behind }) };
}
