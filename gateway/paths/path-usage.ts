import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { PathUsage } from "@paddock/uplink/paths/metered-budget.ts";
import * as v from "valibot";
import { replaceFile } from "@paddock/base/durable-file.ts";

/** A crash forgets at most this much of what metered paths used. */
const SAVE_MS = 600_000;

const month = { monthStartMs: v.number(), bytes: v.number() };
const usageSchema = v.record(
  v.string(),
  v.object({ ...month, startedWith: v.exactOptional(v.number()), other: v.exactOptional(v.object(month)) }),
);

/** Keeps what metered paths have used over restarts, in `usage.json` of the data directory. */
export class PathUsageFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #timer: Timer | undefined;
  /** Saves take turns: two at once write through the same temporary file. */
  #saved: Promise<void> = Promise.resolve();

  constructor(dataDir: string, clock: Clock, log: Log) {
    this.#path = join(dataDir, "usage.json");
    this.#clock = clock;
    this.#log = log;
  }

  /** What was used before; nothing when the file is missing or damaged. */
  async read(): Promise<Record<string, PathUsage>> {
    try {
      const parsed = v.safeParse(usageSchema, JSON.parse(await readFile(this.#path, "utf8")));
      return parsed.success ? parsed.output : {};
    } catch {
      return {};
    }
  }

  /** Saves now and then every ten minutes. */
  start(usage: () => Record<string, PathUsage>): void {
    this.#timer = this.#clock.after(SAVE_MS, () => {
      void this.save(usage());
      this.start(usage);
    });
  }

  async stop(usage: Record<string, PathUsage>): Promise<void> {
    this.#timer?.cancel();
    await this.save(usage);
  }

  /** Never rejects: a budget that is not saved is counted anew, and frames matter more. */
  save(usage: Record<string, PathUsage>): Promise<void> {
    if (Object.keys(usage).length === 0) return this.#saved;
    this.#saved = this.#saved.then(() => this.#write(usage));
    return this.#saved;
  }

  async #write(usage: Record<string, PathUsage>): Promise<void> {
    try {
      await replaceFile(this.#path, `${JSON.stringify(usage)}\n`, 0o600);
    } catch (error) {
      this.#log.warn("usage-not-saved", { path: this.#path, message: messageOf(error) });
    }
  }
}
