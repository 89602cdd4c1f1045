import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { replaceFile } from "@paddock/base/durable-file.ts";

const ConsumerFile = v.strictObject({
  /** The next log offset that the consumer wants. */
  offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Unix ms. */
  updated: v.number(),
});

export interface Consumer extends Readonly<v.InferOutput<typeof ConsumerFile>> {
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

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/u;
const CONSUMERS_MAX = 1024;

/** Named places in the log, each one durable file, so that a consumer can start again where it was. */
export class Consumers {
  readonly #directory: string;
  readonly #consumers = new Map<string, Consumer>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<Consumers> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const consumers = new Consumers(directory);
    for (const file of await readdir(directory)) {
      const name = file.endsWith(".json") ? file.slice(0, -".json".length) : "";
      if (NAME.test(name)) consumers.#consumers.set(name, await readConsumer(join(directory, file), name));
    }
    return consumers;
  }

  all(): Consumer[] {
    return [...this.#consumers.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  }

  get(name: string): Consumer | undefined {
    return this.#consumers.get(name);
  }

  /** Moves a consumer, or makes one. When this resolves with its new place, that place is durable. */
  put(
    name: string,
    offset: number,
    options: { rewind: boolean; logEnd: number; nowMs: number },
  ): Promise<Outcome<Consumer, ConsumerProblem>> {
    const result = this.#turn.then(() => this.#put(name, offset, options));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #put(
    name: string,
    offset: number,
    { rewind, logEnd, nowMs }: { rewind: boolean; logEnd: number; nowMs: number },
  ): Promise<Outcome<Consumer, ConsumerProblem>> {
    if (!NAME.test(name)) return refuse("name", "A consumer's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'.");
    if (offset > logEnd) return refuse("beyond-end", `Offset ${offset} is beyond the end of the log, ${logEnd}.`);
    const known = this.#consumers.get(name);
    if (known === undefined && this.#consumers.size >= CONSUMERS_MAX) {
      return refuse("too-many", `There are ${CONSUMERS_MAX} consumers already.`);
    }
    if (known !== undefined && offset < known.offset && !rewind) {
      return refuse("backwards", `${name} is at ${known.offset}; going back to ${offset} takes "rewind": true.`);
    }
    const place = { offset, updated: nowMs };
    await replaceFile(join(this.#directory, `${name}.json`), `${JSON.stringify(place)}\n`);
    const consumer = { name, ...place };
    this.#consumers.set(name, consumer);
    return accept(consumer);
  }
}

async function readConsumer(path: string, name: string): Promise<Consumer> {
  try {
    return { name, ...v.parse(ConsumerFile, JSON.parse(await readFile(path, "utf8"))) };
  } catch (error) {
    throw new PaddockError("STORE_DAMAGED", `${path} is no consumer file: ${messageOf(error)}.`, { cause: error });
  }
}
