import type { Redis as RedisClient, RedisOptions } from "iovalkey";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { RedisConfig } from "../config.ts";
import { readSecret } from "../secret.ts";

/** A connection of which nothing takes longer than `waitMs`, its making least of all. Throws SINK_UNAVAILABLE or SINK_REFUSED. */
export async function connectRedis(options: RedisConfig, waitMs: number): Promise<RedisClient> {
  const { Redis } = await loadClient();
  const { socketPath, host, port, username, passwordFile, db } = options;
  const password = passwordFile === null ? null : await readSecret(passwordFile);
  const wanted: RedisOptions = {
    ...(socketPath === null ? { host, port } : { path: socketPath }),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    db,
    lazyConnect: true,
    commandTimeout: waitMs,
    connectTimeout: waitMs,
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
    throw redisProblem(options, why ?? error);
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

/** What a command or a connection threw, as an operator needs it. */
export function redisProblem(options: RedisConfig, error: unknown): PaddockError {
  if (error instanceof PaddockError) return error;
  const message = messageOf(error);
  const refused = /^(WRONGPASS|NOAUTH|NOPERM|READONLY|ERR AUTH|ERR invalid DB|WRONGTYPE)/u.test(message);
  if (!refused) return redisUnavailable(options, message);
  return new PaddockError("SINK_REFUSED", `Redis at ${whereOf(options)} refuses: ${message}.`, {
    cause: error,
    remedy: "Check username, passwordFile, db and prefix, and that it is no replica.",
  });
}

export function redisUnavailable(options: RedisConfig, why: string): PaddockError {
  return new PaddockError("SINK_UNAVAILABLE", `Redis at ${whereOf(options)} cannot be used: ${why}.`);
}

function whereOf({ socketPath, host, port }: RedisConfig): string {
  return socketPath ?? `${host} port ${port}`;
}
