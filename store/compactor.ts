import type { ChainEntry } from "./chain-entry.ts";
import { KEY_SPACES, seqKey } from "./keyspace.ts";
import type { StoreCore } from "./store-core.ts";

/** Deleted bytes after which the consumed keys are compacted. */
const COMPACT_AFTER_BYTES = 64 << 20;

/**
 * Gives the room of deleted batches back to the disk. In a window that is filled at one end and emptied at the other
 * LevelDB moves tables straight to a deeper level, where the deletions never meet them: a 200 MB window was measured to
 * grow to 2.1 GB. Compacting the consumed keys every 64 MiB holds it near its size. One compaction at a time, in
 * LevelDB's own thread; writes go on.
 */
export class Compactor {
  readonly #core: StoreCore;
  readonly #afterBytes: number;
  #running: Promise<void> | undefined;
  #closing = false;

  constructor(core: StoreCore, afterBytes: number = COMPACT_AFTER_BYTES) {
    this.#core = core;
    this.#afterBytes = afterBytes;
  }

  /** Starts a compaction when enough was deleted; called after every write that deletes. */
  consider(): void {
    if (this.#running !== undefined || this.#closing || this.#core.database.compactRange === undefined) return;
    let deleted = 0;
    for (const entry of this.#core.chains.values()) deleted += entry.deletedBytes;
    if (deleted >= this.#afterBytes) this.#start();
  }

  /** Compacts now, whatever little was deleted, and waits for it. */
  async compactNow(): Promise<void> {
    await this.#running;
    if (this.#core.database.compactRange !== undefined && !this.#closing) this.#start();
    await this.#running;
  }

  async settle(): Promise<void> {
    this.#closing = true;
    await this.#running;
  }

  #start(): void {
    this.#running = this.#compact().finally(() => (this.#running = undefined));
  }

  async #compact(): Promise<void> {
    for (const entry of this.#core.chains.values()) {
      if (entry.deletedBytes === 0) continue;
      if (this.#closing) return;
      await this.#compactChain(entry);
    }
    this.#core.counters.compactions++;
  }

  async #compactChain(entry: ChainEntry): Promise<void> {
    const { key } = entry.working;
    const end = entry.deletedTo + 1;
    entry.deletedBytes = 0;
    for (const space of [KEY_SPACES.payload, KEY_SPACES.header]) {
      await this.#core.database.compactRange?.(seqKey(space, key, 0), seqKey(space, key, end));
    }
  }
}
