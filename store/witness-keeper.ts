import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { StoreCore } from "./store-core.ts";
import { HEADS_MAX, type Testimony, type WitnessFile } from "./witness.ts";

/** How far the witness may be behind. */
const WITNESS_AFTER_MS = 1000;

/** Keeps the witness up to date, off the way of writes: at most once a second, and at the end. */
export class WitnessKeeper {
  readonly #core: StoreCore;
  readonly #file: WitnessFile;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(core: StoreCore, file: WitnessFile, clock: Clock) {
    this.#core = core;
    this.#file = file;
    this.#clock = clock;
  }

  /** Something was written to the database. */
  noted(): void {
    this.#timer ??= this.#clock.after(WITNESS_AFTER_MS, () => {
      this.#timer = undefined;
      void this.write();
    });
  }

  /** Writes what is on disk now. A disk that does not take it shows in the database's own writes. */
  write(left?: Uint8Array): Promise<void> {
    this.#writing = this.#writing.then(() => this.#file.write(testimonyOf(this.#core, left)).catch(() => {}));
    return this.#writing;
  }

  /** After the database was closed; with what its directory was left like. */
  async close(left: Uint8Array | undefined): Promise<void> {
    this.#timer?.cancel();
    await this.write(left);
    await this.#file.close();
  }
}

/** In a ledger only the log's end: it tells of every chain. */
function testimonyOf(core: StoreCore, left: Uint8Array | undefined): Testimony {
  const heads: { chain: Testimony["heads"][number]["chain"]; seq: number; written: number }[] = [];
  if (!core.outOfOrder) {
    for (const { published } of core.chains.values()) {
      if (published?.head === undefined) continue;
      heads.push({ chain: published.id, seq: published.head.seq, written: published.written });
    }
    heads.sort((a, b) => b.written - a.written);
  }
  return { heads: heads.slice(0, HEADS_MAX), logEnd: core.logEnd, left };
}
