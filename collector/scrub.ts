import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import type { Ledger } from "./ledger.ts";

/** Between two reads: half a megabyte a second at most, so that nobody notices. */
const PAUSE_MS = 1000;
const PAGE = { maxBatches: 64, maxBytes: 512 * 1024 };

/**
 * Reads the whole log round and round, slowly, so that damage comes to light while the other copies still exist, and not
 * when somebody asks for a record years later. What a read finds is told by the store itself (`onDamage`).
 */
export class Scrub {
  readonly #ledger: Pick<Ledger, "readLog" | "logEnd">;
  readonly #clock: Clock;
  readonly #log: Log;
  #next = 0;
  #rounds = 0;
  #timer: { cancel(): void } | undefined;
  #reading: Promise<void> | undefined;
  #closed = false;

  constructor(ledger: Pick<Ledger, "readLog" | "logEnd">, clock: Clock, log: Log) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log;
    this.#wait();
  }

  /** The next log offset that is looked at, and how often the whole log was since the start. */
  get progress(): { readonly offset: number; readonly rounds: number } {
    return { offset: this.#next, rounds: this.#rounds };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#reading;
  }

  #wait(): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(PAUSE_MS, () => {
      this.#reading = this.#step()
        .catch((error: unknown) => this.#log.warn("scrub-failed", { offset: this.#next, message: messageOf(error) }))
        .finally(() => this.#wait());
    });
  }

  async #step(): Promise<void> {
    if (this.#next >= this.#ledger.logEnd()) {
      if (this.#next > 0) this.#rounds++;
      this.#next = 0;
      return;
    }
    const read = await this.#ledger.readLog(this.#next, PAGE);
    const last = read.ok ? read.value.at(-1) : undefined;
    this.#next = last === undefined ? this.#ledger.logEnd() : last.offset + last.count;
  }
}
