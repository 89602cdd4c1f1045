import type { Clock, Timer } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import { chainName } from "@paddock/store/keyspace.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { ChainId } from "@paddock/store/types.ts";
import type { BatchSource, ChainBacklog, ChainName } from "@paddock/uplink/forward/ports.ts";
import { decodeHeader, headerHash } from "@paddock/wire/batch-header.ts";
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
  /** Called when the collector has compared batches of this gateway with what it holds, and that is durable here. */
  readonly onReceipt?: () => void;
  /** Called when a trim freed something. */
  readonly roomFreed: () => void;
  /** Called once for each way in which the collector turns out to hold another chain. */
  readonly onDiverged: (lane: Lane, epoch: number, reason: "collector-ahead" | "collector-differs") => void;
  /** Gives up damaged payloads and resolves when the chain says so; false when there was no room for that. */
  readonly quarantine: (lost: PlannedEviction) => Promise<boolean>;
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
  /** Chains of which it was said already that the collector holds something else. */
  readonly #told = new Set<string>();

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

  /**
   * Batches as they go out. A payload that is damaged here goes as what it is, lost, once the chain says so; where there
   * is no room to say it, this throws STORE_FULL and the batch waits.
   */
  async read(chain: ChainName, first: number, last: number, maxBytes: number): Promise<readonly EncodedBatch[]> {
    const id = this.#idOf(chain);
    const batches = await this.#options.store.read(id, first, { last, maxBytes });
    const damaged = batches.filter((batch) => batch.damaged === true);
    const told = await Promise.all(damaged.map(({ seq, header }) => this.#giveUp(id, seq, header)));
    const untold = damaged[told.indexOf(false)];
    if (untold === undefined) return batches;
    throw new PaddockError("STORE_FULL", `There is no room to say that the payload of batch ${untold.seq} is damaged.`);
  }

  async acknowledge(asked: ChainName, receipt: Receipt, encoded: Uint8Array, offered: Ranges): Promise<void> {
    const { store, clock } = this.#options;
    const id = this.#idOf(asked);
    if (chainName(receipt) !== chainName(id)) {
      const whose = `gateway ${Buffer.from(receipt.gateway).toString("hex")}, ${laneName(receipt.lane)}/${receipt.epoch}`;
      throw new RangeError(`the receipt is for ${whose}, not for ${laneName(asked.lane)}/${asked.epoch} of this one`);
    }
    // The sender looked at this already. Nothing is deleted but what the signed receipt names.
    const confirmed = intersect(offered, receipt.held);
    const named = union(confirmed, await this.#proven(id, receipt, confirmed));
    // Who ends TLS in between can take payloads out: the headers still verify, and the receipt would cover them.
    const lacking = subtract(receipt.bare, store.chain(id)?.evicted ?? []);
    await store.acknowledge(id, subtract(named, lacking), encoded);
    this.#lastReceiptUs = clock.monotonicUs();
    this.#noticeLostTail(id, receipt);
    if (confirmed.length > 0) this.#options.onReceipt?.();
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

  async #giveUp(chain: ChainId, seq: number, header: Uint8Array): Promise<boolean> {
    const { count: records, size: bytes } = expectAccepted(decodeHeader(header)).position;
    const { log, quarantine } = this.#options;
    log.error("payload-damaged", { lane: laneName(chain.lane), epoch: chain.epoch, seq, records, bytes });
    return quarantine({ chain, seqs: [[seq, seq]], records, bytes });
  }

  async #trim(): Promise<void> {
    try {
      const { batches } = await this.#options.store.trim();
      if (batches > 0) this.#options.roomFreed();
    } catch (error) {
      if (!this.#stopped) this.#options.fatal(error);
    }
  }

  /**
   * What a receipt names beyond `confirmed`, as far as its head is a header of ours: the hash of that one vouches for all
   * before it. Whatever it leaves open is sent again, and the collector compares.
   */
  async #proven(id: ChainId, { held, linked, head }: Receipt, confirmed: Ranges): Promise<Ranges> {
    const chain = this.#options.store.chain(id);
    if (chain === undefined || head === null) return [];
    const named = intersect(held, [[0, linked - 1]]);
    if (subtract(intersect(named, chain.held), union(chain.acknowledged, confirmed)).length === 0) return [];
    const ours = await this.#hashAt(id, linked - 1);
    if (ours === undefined) return [];
    if (Buffer.compare(ours, head) === 0) return named;
    this.#tell("collector-differs", id, { seq: linked - 1 });
    return [];
  }

  /** The hash of a header that is stored, or was and is named by the next one; else undefined. */
  async #hashAt(id: ChainId, seq: number): Promise<Uint8Array | undefined> {
    const { store } = this.#options;
    const [header] = await store.readHeaders(id, seq, seq);
    if (header !== undefined) return headerHash(header.header);
    const [next] = await store.readHeaders(id, seq + 1, seq + 1);
    const decoded = next === undefined ? undefined : decodeHeader(next.header);
    return decoded?.ok === true ? (decoded.value.position.previous ?? undefined) : undefined;
  }

  #noticeLostTail(id: ChainId, { held }: Receipt): void {
    const last = held.at(-1)?.[1];
    const head = this.#options.store.chain(id)?.head?.seq ?? -1;
    if (last === undefined || last <= head) return;
    this.#tell("collector-ahead", id, { collectorHas: last, storeHas: head < 0 ? null : head });
  }

  /** The collector holds what this store never had: the data directory was put back, or the disk forgot. Said once. */
  #tell(
    event: "collector-ahead" | "collector-differs",
    { lane, epoch }: ChainId,
    found: Record<string, unknown>,
  ): void {
    const name = `${event}/${lane}/${epoch}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#options.log.error(event, {
      lane: laneName(lane),
      epoch,
      ...found,
      remedy:
        "The data directory is older than what the collector holds. New frames go into a new epoch; frames that were taken before that stay here. See docs/decisions/0016-new-epoch-after-divergence.md.",
    });
    this.#options.onDiverged(lane, epoch, event);
  }

  #idOf({ lane, epoch }: ChainName): ChainId {
    return { gateway: this.#options.gateway, lane, epoch };
  }
}
