import type { Redis as RedisClient } from "iovalkey";
import type { RedisConfig } from "../config.ts";
import { channelKey, type Channel } from "../newest.ts";
import { connectRedis, redisProblem } from "../redis/connection.ts";
import { readingOfFields } from "../redis/last-values.ts";
import type { Look, LowerTier } from "./tiers.ts";

/** The hashes that a sink of kind redis keeps. */
export class RedisTier implements LowerTier {
  readonly tier = "redis";
  readonly waitMs = 1000;
  readonly #config: RedisConfig;
  #client: Promise<RedisClient> | undefined;

  constructor(config: RedisConfig) {
    this.#config = config;
  }

  async find(channel: Channel): Promise<Look> {
    const { prefix } = this.#config;
    const client = await this.#connected();
    try {
      const commands = client
        .multi()
        .get(`${prefix}place`)
        .hgetall(`${prefix}last:${channelKey(channel)}`);
      const [place, hash] = (await commands.exec()) ?? [];
      const failed = place?.[0] ?? hash?.[0];
      if (failed !== undefined && failed !== null) throw failed;
      const reading = readingOfFields((hash?.[1] ?? {}) as Record<string, string>);
      return reading === undefined ? {} : { found: { reading, since: 0, upTo: offsetIn(place?.[1]) } };
    } catch (error) {
      this.close();
      throw redisProblem(this.#config, error);
    }
  }

  close(): void {
    this.#client?.then(
      (client) => client.disconnect(),
      () => {},
    );
    this.#client = undefined;
  }

  async #connected(): Promise<RedisClient> {
    if (this.#client !== undefined && (await this.#client.catch(() => undefined))?.status !== "ready") this.close();
    return (this.#client ??= connectRedis(this.#config, this.waitMs));
  }
}

/** The log offset of a place as the sink keeps it. */
function offsetIn(place: unknown): number | null {
  try {
    const { offset } = JSON.parse(String(place)) as { offset?: unknown };
    return Number.isSafeInteger(offset) ? (offset as number) : null;
  } catch {
    return null;
  }
}
