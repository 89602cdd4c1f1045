import type { Redis as RedisClient } from "iovalkey";
import * as v from "valibot";
import { PaddockError } from "@paddock/base/errors.ts";
import type { LogPlace } from "../../log/log-place.ts";
import type { RedisConfig } from "../config.ts";
import { offsetText } from "../newest.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { connectRedis, redisProblem, redisUnavailable } from "./connection.ts";
import { lastValues, type LastValue } from "./last-values.ts";
import { FORGET_SCRIPT, WRITE_SCRIPT } from "./scripts.ts";

/** Channels that one script writes: some ms of a server that answers nobody else meanwhile. */
const CHANNELS_PER_SCRIPT = 200;
const COMMAND_MS = 10_000;
const SCAN_KEYS = 500;

const Place = v.object({
  offset: v.number(),
  updated: v.number(),
  log: v.optional(v.string()),
  behind: v.optional(v.nullable(v.string())),
  form: v.optional(v.number()),
});

/** Of keys and fields. A cache in another form is emptied and filled again: a key that nobody writes any more grows old in silence. */
const FORM = 2;

/**
 * The newest reading of each channel as a hash `PREFIXlast:GATEWAY:SOURCE:NAME` (`channelKey`) in Redis or Valkey. The place in the log
 * lies beside them in `PREFIXplace`: where a server has lost both, by a flush or a start without its file, it is filled
 * again from the start of the log.
 */
export class RedisSink implements Sink {
  readonly #options: RedisConfig;
  #client: RedisClient | undefined;
  #place = "";
  #server = "";

  constructor(options: RedisConfig) {
    this.#options = options;
  }

  async open(): Promise<SinkState> {
    await this.close();
    this.#client = await connectRedis(this.#options, COMMAND_MS);
    this.#server = await this.#ask((client) => serverVersion(client));
    this.#place = (await this.#ask((client) => client.get(this.#key("place")))) ?? "";
    if (this.#place === "") return { place: undefined, datings: [] };
    const { form, ...place } = this.#readPlace(this.#place);
    if (form === FORM) return { place, datings: [] };
    await this.#empty();
    return { place: undefined, datings: [] };
  }

  async write(chunk: RowChunk): Promise<void> {
    const values = [...lastValues(chunk.rows).values()];
    const next = placeText(chunk.place);
    for (let at = 0; at === 0 || at < values.length; at += CHANNELS_PER_SCRIPT) {
      const isLast = at + CHANNELS_PER_SCRIPT >= values.length;
      const found = await this.#run(values.slice(at, at + CHANNELS_PER_SCRIPT), isLast ? next : "");
      if (found === this.#place) continue;
      // The answer to the last script was lost, not what it did.
      if (found === next) break;
      throw this.#lost(found);
    }
    this.#place = next;
  }

  async rewind(offset: number, place: LogPlace): Promise<LogPlace> {
    await this.#forget(offset);
    await this.#ask((client) => client.set(this.#key("place"), placeText(place)));
    this.#place = placeText(place);
    return place;
  }

  report(): Readonly<Record<string, string>> {
    return { server: this.#server };
  }

  async close(): Promise<void> {
    this.#client?.disconnect();
    this.#client = undefined;
    return Promise.resolve();
  }

  async #empty(): Promise<void> {
    await this.#forget(0);
    await this.#ask((client) => client.del(this.#key("place")));
    this.#place = "";
  }

  /** Forgets what a record from this log offset on has written. */
  async #forget(offset: number): Promise<void> {
    await this.#ask(async (client) => {
      let cursor = "0";
      do {
        const [next, keys] = await client.scan(cursor, "MATCH", `${escaped(this.#key("last:"))}*`, "COUNT", SCAN_KEYS);
        if (keys.length > 0) await client.eval(FORGET_SCRIPT, keys.length, ...keys, offsetText(offset));
        cursor = next;
      } while (cursor !== "0");
    });
  }

  async #run(values: readonly LastValue[], next: string): Promise<string> {
    const keys = [this.#key("place"), ...values.map(({ channel }) => this.#key(`last:${channel}`))];
    const argv = [this.#place, next];
    for (const { order, fields } of values) {
      const pairs = Object.entries(fields).flat();
      argv.push(order, String(pairs.length), ...pairs);
    }
    return (await this.#ask((client) => client.eval(WRITE_SCRIPT, keys.length, ...keys, ...argv))) as string;
  }

  async #ask<Answer>(command: (client: RedisClient) => Promise<Answer>): Promise<Answer> {
    if (this.#client === undefined) throw redisUnavailable(this.#options, "it is not open");
    try {
      return await command(this.#client);
    } catch (error) {
      throw redisProblem(this.#options, error);
    }
  }

  #readPlace(text: string): LogPlace & { readonly form: number } {
    try {
      const { log, behind, form = 1, ...place } = v.parse(Place, JSON.parse(text));
      return { ...place, form, ...(log === undefined ? {} : { log }), ...(behind === undefined ? {} : { behind }) };
    } catch (error) {
      const message = `${this.#key("place")} is ${JSON.stringify(text.slice(0, 80))}, which is no place in a log.`;
      throw new PaddockError("SINK_REFUSED", message, {
        cause: error,
        remedy: "Another program writes there: choose another prefix, or delete the key to fill the cache anew.",
      });
    }
  }

  #lost(found: string): PaddockError {
    const what = found === "" ? "nothing" : found.slice(0, 120);
    return new PaddockError("SINK_UNAVAILABLE", `${this.#key("place")} holds ${what}, not what was left there.`, {
      remedy: "It was flushed, or another collector writes there; it is opened anew.",
    });
  }

  #key(end: string): string {
    return `${this.#options.prefix}${end}`;
  }
}

function placeText(place: LogPlace): string {
  return JSON.stringify({ ...place, form: FORM });
}

async function serverVersion(client: RedisClient): Promise<string> {
  const info = await client.info("server");
  const version = /^(?:valkey|redis)_version:(.*)$/mu.exec(info)?.[1]?.trim();
  return version ?? "unknown";
}

/** A prefix as SCAN's pattern takes it. */
function escaped(text: string): string {
  return text.replaceAll(/[\\*?[\]]/gu, "\\$&");
}
