import { decodeHeader, headerHash, type BatchHeader } from "@paddock/wire/batch-header.ts";
import type { Outcome } from "@paddock/base/outcome.ts";

/** What the store needs to know of a batch next to one that it writes, acknowledges, evicts or trims. */
export interface BatchFacts {
  /** SHA-256 of the encoded header. */
  readonly hash: Uint8Array;
  readonly previous: Uint8Array | null;
  /** Records of the payload, evicted or not. */
  readonly count: number;
  readonly headerBytes: number;
  /** Bytes of the payload, evicted or not. */
  readonly payloadBytes: number;
}

export function factsOf(header: Uint8Array, decoded: BatchHeader, hash?: Uint8Array): BatchFacts {
  const { previous, count, size } = decoded.position;
  return {
    // Own copies: views would keep a whole upload body in memory. Not by Buffer.from: its small buffers are slices of
    // 64 KiB slabs, and each cached hash would keep one.
    hash: new Uint8Array(hash ?? headerHash(header)),
    previous: previous === null ? null : new Uint8Array(previous),
    count,
    headerBytes: header.length,
    payloadBytes: size,
  };
}

export function readFacts(header: Uint8Array): Outcome<BatchFacts> {
  const decoded = decodeHeader(header);
  return decoded.ok ? { ok: true, value: factsOf(header, decoded.value) } : decoded;
}

/** The facts of one chain that are in memory, by seq. */
export type FactsBySeq = Map<number, BatchFacts>;

/**
 * Facts of the batches written last, over all chains. With them the live path (append, receipt, trim) reads no header
 * back from disk; what has left the cache is read again.
 */
export class FactsCache {
  readonly #capacity: number;
  #order: { readonly chain: FactsBySeq; readonly seq: number }[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  remember(chain: FactsBySeq, seq: number, facts: BatchFacts): void {
    if (!chain.has(seq)) this.#order.push({ chain, seq });
    chain.set(seq, facts);
  }

  /**
   * Forgets the oldest beyond the capacity. Not done by `remember`: facts of batches that are not on disk yet must stay
   * until they are.
   */
  shrink(): void {
    // In steps of half the capacity, so that the order array is not moved for every batch.
    if (this.#order.length < this.#capacity * 1.5) return;
    const surplus = this.#order.length - this.#capacity;
    for (let index = 0; index < surplus; index++) {
      const { chain, seq } = this.#order[index]!;
      chain.delete(seq);
    }
    this.#order = this.#order.slice(surplus);
  }
}
