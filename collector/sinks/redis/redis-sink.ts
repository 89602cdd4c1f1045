import type { Redis as RedisClient, RedisOptions } from "iovalkey";
import * as v from "valibot";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { LogPlace } from "../../log/log-place.ts";
import type { RedisConfig } from "../config.ts";
import { readSecret } from "../secret.ts";
import type { RowChunk, Sink, SinkState } from "../sink.ts";
import { lastValues, type LastValue } from "./last-values.ts";
import { FORGET_SCRIPT, WRITE_SCRIPT } from "./scripts.ts";

/** Channels that one script writes: some ms of a server that answers nobody else meanwhile. */
const CHANNELS_PER_SCRIPT = 200;
const COMMAND_MS = 10_000;
const SCAN_KEYS = 500;
const OFFSET_DIGITS = 16;

const Place = v.object({
  offset: v.number(),
  updated: v.number(),
  log: v.optional(v.string()),
  behind: v.optional(v.nullable(v.string())),
});

/**
 * The newest reading of each channel as a hash `PREFIXlast:GATEWAY:SOURCE:NAME` in Redis or Valkey. The place in the log
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
    this.#client = await connect(this.#options);
    this.#server = await this.#ask((client) => serverVersion(client));
    this.#place = (await this.#ask((client) => client.get(this.#key("place")))) ?? "";
    return { place: this.#place === "" ? undefined : this.#readPlace(this.#place), datings: [] };
  }

  async write(chunk: RowChunk): Promise<void> {
    const values = [...lastValues(chunk.rows).values()];
    const next = JSON.stringify(chunk.place);
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
    const least = String(offset).padStart(OFFSET_DIGITS, "0");
    await this.#ask(async (client) => {
      let cursor = "0";
      do {
        const [next, keys] = await client.scan(cursor, "MATCH", `${escaped(this.#key("last:"))}*`, "COUNT", SCAN_KEYS);
        if (keys.length > 0) await client.eval(FORGET_SCRIPT, keys.length, ...keys, least);
        cursor = next;
      } while (cursor !== "0");
      await client.set(this.#key("place"), JSON.stringify(place));
    });
    this.#place = JSON.stringify(place);
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
    if (this.#client === undefined) throw unavailable(this.#options, "it is not open");
    try {
      return await command(this.#client);
    } catch (error) {
      throw problemOf(this.#options, error);
    }
  }

  #readPlace(text: string): LogPlace {
    try {
      const { log, behind, ...place } = v.parse(Place, JSON.parse(text));
      return { ...place, ...(log === undefined ? {} : { log }), ...(behind === undefined ? {} : { behind }) };
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

async function connect(options: RedisConfig): Promise<RedisClient> {
  const { Redis } = await loadClient();
  const { socketPath, host, port, username, passwordFile, db } = options;
  const password = passwordFile === null ? null : await readSecret(passwordFile);
  const wanted: RedisOptions = {
    ...(socketPath === null ? { host, port } : { path: socketPath }),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    db,
    lazyConnect: true,
    commandTimeout: COMMAND_MS,
    connectTimeout: COMMAND_MS,
    // The runner waits and opens anew; a client that tries by itself would do the same beside it.
    retryStrategy: () => null,
    enableOfflineQueue: false,
  };
  const client = new Redis(wanted);
  // Afterwards whoever waits for a command is told; of a connection that never was, only this says why.
  let why: unknown;
  client.on("error", (error) => (why = error));
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw problemOf(options, why ?? error);
  }
  return client;
}

/** Throws SINK_REFUSED when the package is not installed. */
async function loadClient() {
  try {
    return await import("iovalkey");
  } catch (error) {
    throw new PaddockError("SINK_REFUSED", "The package iovalkey, which talks to Redis, cannot be loaded.", {
      cause: error,
      remedy: "Install it beside the collector: npm install iovalkey@0.4.0",
    });
  }
}

async function serverVersion(client: RedisClient): Promise<string> {
  const info = await client.info("server");
  const version = /^(?:valkey|redis)_version:(.*)$/mu.exec(info)?.[1]?.trim();
  return version ?? "unknown";
}

function problemOf(options: RedisConfig, error: unknown): PaddockError {
  if (error instanceof PaddockError) return error;
  const message = messageOf(error);
  const refused = /^(WRONGPASS|NOAUTH|NOPERM|READONLY|ERR AUTH|ERR invalid DB|WRONGTYPE)/u.test(message);
  if (!refused) return unavailable(options, message);
  return new PaddockError("SINK_REFUSED", `Redis at ${whereOf(options)} refuses: ${message}.`, {
    cause: error,
    remedy: "Check username, passwordFile, db and prefix, and that it is no replica.",
  });
}

function unavailable(options: RedisConfig, why: string): PaddockError {
  return new PaddockError("SINK_UNAVAILABLE", `Redis at ${whereOf(options)} cannot be used: ${why}.`);
}

function whereOf({ socketPath, host, port }: RedisConfig): string {
  return socketPath ?? `${host} port ${port}`;
}

/** A prefix as SCAN's pattern takes it. */
function escaped(text: string): string {
  return text.replaceAll(/[\\*?[\]]/gu, "\\$&");
}
