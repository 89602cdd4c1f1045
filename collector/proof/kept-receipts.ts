import { messageOf } from "@paddock/base/errors.ts";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { intersect, union } from "@paddock/base/ranges.ts";
import type { ChainId, ChainSummary, SideEntry } from "@paddock/store/types.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { signReceipt } from "@paddock/wire/receipt.ts";
import { chainText, chainTitle, hexOf } from "../chain-name.ts";
import { receiptRanges } from "../ingest/receipts.ts";
import type { Ledger } from "../ledger.ts";
import type { GatewayRegistry } from "../registry/gateway-registry.ts";
import { soundHeader } from "./sound-headers.ts";

/** A receipt is kept for every so many linked batches: no proof needs more headers than that. */
export const KEPT_EVERY = 256;
/** Receipts written at once while a ledger that has none is gone through. */
const KEPT_PER_WRITE = 16;

const RECEIPT_PREFIX = "receipt/";
/** One entry a chain, read at start: up to how many linked batches its receipts are kept. */
const MARK_PREFIX = "receipts-kept/";

export interface KeptReceiptsOptions {
  readonly ledger: Pick<Ledger, "append" | "chain" | "chains" | "readHeaders" | "side">;
  readonly registry: Pick<GatewayRegistry, "get">;
  readonly identity: SigningIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Signed receipts at intervals, so that any record can be proven for as long as it is held, by a bounded number of
 * headers. They are side entries of the ledger: one a chain for every `KEPT_EVERY` linked batches, made in the
 * background when the chain gets there, and for a ledger of an older version when it is opened. Nothing waits for them:
 * where one is missing, the proof gets a receipt of its own.
 */
export class KeptReceipts {
  readonly #options: KeptReceiptsOptions;
  readonly #kept = new Map<string, number>();
  readonly #due = new Map<string, ChainId>();
  #work: Promise<void> | undefined;
  #closed = false;

  private constructor(options: KeptReceiptsOptions) {
    this.#options = options;
  }

  /** Begins to make what is missing. */
  static async open(options: KeptReceiptsOptions): Promise<KeptReceipts> {
    const receipts = new KeptReceipts(options);
    for (const [key, value] of await options.ledger.side(MARK_PREFIX)) {
      const linked = Number(Buffer.from(value).toString("latin1"));
      // A mark that cannot be read is as good as none: the receipts are made again.
      if (Number.isSafeInteger(linked)) receipts.#kept.set(key.slice(MARK_PREFIX.length), linked);
    }
    for (const { id } of options.ledger.chains()) receipts.note(id);
    return receipts;
  }

  /** Call when a chain has grown; costs nothing unless it came past the next interval. */
  note(chain: ChainId): void {
    const key = chainText(chain);
    if (this.#closed || this.#nextOf(key) > (this.#options.ledger.chain(chain)?.linked ?? 0)) return;
    this.#due.set(key, chain);
    this.#work ??= this.#makeDue();
  }

  /** The receipt kept for exactly `linked` batches, as it was signed, or undefined. Nothing about it is checked. */
  async at(chain: ChainId, linked: number): Promise<Uint8Array | undefined> {
    const key = receiptKey(chainText(chain), linked);
    return (await this.#options.ledger.side(key)).get(key);
  }

  /** A receipt, signed now, for the first `linked` batches of a chain; `head` is the hash of the last of them. */
  sign(summary: ChainSummary, linked: number, head: Uint8Array): Buffer {
    const held = intersect(union(summary.held, summary.trimmed), [[0, linked - 1]]);
    const received = this.#options.clock.wallMs();
    return signReceipt(this.#options.identity, {
      ...summary.id,
      ...receiptRanges(held, summary.evicted, []),
      linked,
      head,
      received,
    });
  }

  /** Resolves when all that is due so far is made. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  /** Stops behind the write under way; what is still due is made after the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
  }

  #nextOf(key: string): number {
    return (this.#kept.get(key) ?? 0) + KEPT_EVERY;
  }

  async #makeDue(): Promise<void> {
    try {
      for (let due = first(this.#due); due !== undefined && !this.#closed; due = first(this.#due)) {
        const [key, chain] = due;
        if (!(await this.#makeSome(key, chain))) this.#due.delete(key);
      }
    } catch (error) {
      // A ledger that takes no write says so elsewhere; the chain comes up again with its next upload or start.
      this.#options.log.warn("receipts-not-kept", { message: messageOf(error) });
      this.#due.clear();
    } finally {
      this.#work = undefined;
    }
  }

  /** The next receipts of a chain, at most so many as one write takes; whether there may be more. */
  async #makeSome(key: string, chain: ChainId): Promise<boolean> {
    const { ledger, log } = this.#options;
    const summary = ledger.chain(chain);
    if (summary === undefined) return false;
    const side: SideEntry[] = [];
    let next = this.#nextOf(key);
    for (; next <= summary.linked && side.length < KEPT_PER_WRITE; next += KEPT_EVERY) {
      const header = await this.#soundHeaderAt(chain, next - 1);
      // Of a header that is damaged here nothing is signed; proofs around it end before it.
      if (header === undefined) continue;
      side.push({ key: receiptKey(key, next), value: this.sign(summary, next, headerHash(header)) });
    }
    const upTo = next - KEPT_EVERY;
    if (upTo === (this.#kept.get(key) ?? 0)) return false;
    side.push({ key: MARK_PREFIX + key, value: Buffer.from(String(upTo), "latin1") });
    const written = await ledger.append({ chain, batches: [], side });
    if (!written.ok) {
      log.warn("receipts-not-kept", { chain: chainTitle(chain), message: written.detail });
      return false;
    }
    this.#kept.set(key, upTo);
    return true;
  }

  async #soundHeaderAt(chain: ChainId, seq: number): Promise<Uint8Array | undefined> {
    const { ledger, registry } = this.#options;
    const gateway = registry.get(hexOf(chain.gateway));
    if (gateway === undefined) return undefined;
    const [stored] = await ledger.readHeaders(chain, seq, seq);
    const sound = stored !== undefined && soundHeader(stored.header, chain, seq, gateway.key) !== undefined;
    return sound ? stored.header : undefined;
  }
}

/** Digits of a fixed number, so that no key is the beginning of another. */
function receiptKey(chain: string, linked: number): string {
  return `${RECEIPT_PREFIX}${chain}/${String(linked).padStart(16, "0")}`;
}

function first<Key, Value>(map: ReadonlyMap<Key, Value>): [Key, Value] | undefined {
  return map.entries().next().value;
}
