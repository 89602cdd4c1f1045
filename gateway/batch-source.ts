import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { subtract } from "@paddock/base/ranges.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { ChainId } from "@paddock/store/types.ts";
import type { BatchSource, ChainBacklog, ChainName } from "@paddock/uplink/forward/ports.ts";
import type { EncodedBatch } from "@paddock/wire/batch.ts";
import { laneName, type Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";

/** Receipts come many a second at full load; what they free is deleted together. */
const TRIM_AFTER_MS = 1000;

export interface ChainBatchSourceOptions {
  readonly store: ChainStore;
  /** SHA-256 of the gateway's public key. */
  readonly gateway: Uint8Array;
  readonly onSealed: (callback: (lane: Lane, epoch: number, seq: number) => void) => void;
  /** Called when a trim freed something. */
  readonly roomFreed: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly fatal: (error: unknown) => void;
}

/** The forwarder's view of the store, and what follows from a receipt: trimming. */
export class ChainBatchSource implements BatchSource {
  readonly #options: ChainBatchSourceOptions;
  #trimTimer: Timer | undefined;
  #trimming: Promise<void> = Promise.resolve();
  #stopped = false;
  /** CLOCK_MONOTONIC in µs of the newest receipt. */
  #lastReceiptUs: number | undefined;
  readonly #ahead = new Set<string>();

  constructor(options: ChainBatchSourceOptions) {
    this.#options = options;
  }

  get lastReceiptUs(): number | undefined {
    return this.#lastReceiptUs;
  }

  backlog(): readonly ChainBacklog[] {
    return this.#options.store.chains().map((chain) => ({
      lane: chain.id.lane,
      epoch: chain.id.epoch,
      pending: subtract(chain.held, chain.acknowledged),
      bytes: chain.unacknowledgedBytes,
      records: chain.unacknowledgedRecords,
    }));
  }

  read(chain: ChainName, first: number, last: number, maxBytes: number): Promise<readonly EncodedBatch[]> {
    return this.#options.store.read(this.#idOf(chain), first, { last, maxBytes });
  }

  async acknowledge(receipt: Receipt, encoded: Uint8Array): Promise<void> {
    const { store, clock } = this.#options;
    const id = this.#idOf(receipt);
    await store.acknowledge(id, receipt.held, encoded);
    this.#lastReceiptUs = clock.monotonicUs();
    this.#noticeLostTail(id, receipt);
    if (this.#stopped) return;
    this.#trimTimer ??= clock.after(TRIM_AFTER_MS, () => {
      this.#trimTimer = undefined;
      this.#trimming = this.#trim();
    });
  }

  onSealed(callback: (lane: Lane, epoch: number, seq: number) => void): void {
    this.#options.onSealed(callback);
  }

  /** Stops trimming; resolves when a trim under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#trimTimer?.cancel();
    await this.#trimming;
  }

  async #trim(): Promise<void> {
    try {
      const { batches } = await this.#options.store.trim();
      if (batches > 0) this.#options.roomFreed();
    } catch (error) {
      if (!this.#stopped) this.#options.fatal(error);
    }
  }

  /** A collector that holds more than this store ever had: the data directory was put back to an older state. */
  #noticeLostTail(id: ChainId, { held, epoch, lane }: Receipt): void {
    const last = held.at(-1)?.[1];
    const head = this.#options.store.chain(id)?.head?.seq ?? -1;
    const name = `${lane}/${epoch}`;
    if (last === undefined || last <= head || this.#ahead.has(name)) return;
    this.#ahead.add(name);
    this.#options.log.error("collector-ahead", {
      lane: laneName(lane),
      epoch,
      collectorHas: last,
      storeHas: head < 0 ? null : head,
      remedy:
        "The data directory is older than what the collector holds. Restore the newer one, or flash a new identity.",
    });
  }

  #idOf({ lane, epoch }: ChainName): ChainId {
    return { gateway: this.#options.gateway, lane, epoch };
  }
}
