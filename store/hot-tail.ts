import { contains } from "@paddock/base/ranges.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { rangeAround } from "./chain-state.ts";
import type { ReadLimits } from "./store-reads.ts";
import type { StoredBatch } from "./types.ts";

/** Small, as one batch keeps all of it. */
const SLAB_BYTES = 128 * 1024;

interface Kept {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * The newest batches over all chains as they were written, for whoever reads them a moment later: what is forwarded live
 * never comes off the disk, so it need not be read or hashed again. Holds copies, as the writers use their buffers again.
 */
export class HotTail {
  readonly #maxBytes: number;
  readonly #chains = new Map<ChainEntry, Map<number, Kept>>();
  /** The oldest first; those before `#first` are forgotten. */
  #order: { readonly entry: ChainEntry; readonly seq: number }[] = [];
  #first = 0;
  #bytes = 0;
  /** What copies are cut from: an allocation of its own for each would keep the garbage collector busy. */
  #slab: Uint8Array = new Uint8Array(0);
  #slabUsed = 0;

  /** `maxBytes` of headers and payloads are kept at most; 0: none. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in a batch that is about to be written; nobody reads it before it is published. */
  remember(entry: ChainEntry, seq: number, header: Uint8Array, payload: Uint8Array): void {
    const bytes = header.length + payload.length;
    if (bytes > this.#maxBytes) return;
    let batches = this.#chains.get(entry);
    if (batches === undefined) this.#chains.set(entry, (batches = new Map()));
    if (batches.has(seq)) return;
    batches.set(seq, { header: this.#copy(header), payload: this.#copy(payload) });
    this.#order.push({ entry, seq });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#forgetOldest();
  }

  /**
   * What a read of the disk would give from `first` on, when all of it is here; else undefined. Only what is published,
   * and no batch whose payload was given up, by whomever.
   */
  read(entry: ChainEntry, first: number, limits: ReadLimits): StoredBatch[] | undefined {
    const batches = this.#chains.get(entry);
    if (batches === undefined || !batches.has(first)) return undefined;
    const run = rangeAround(entry.published?.held ?? [], first);
    if (run === undefined) return undefined;
    const last = Math.min(run[1], limits.last ?? run[1], first + (limits.maxBatches ?? Infinity) - 1);
    const result: StoredBatch[] = [];
    let bytes = 0;
    for (let seq = first; seq <= last; seq++) {
      const kept = batches.get(seq);
      if (kept === undefined || contains(entry.working.evicted, seq)) return undefined;
      const size = kept.header.length + kept.payload.length;
      if (bytes + size > limits.maxBytes && result.length > 0) break;
      bytes += size;
      result.push({ seq, ...kept });
      if (bytes >= limits.maxBytes) break;
    }
    return result;
  }

  /** Of a slab, which goes when nobody has anything of it any more; never written again, as who read it may still send it. */
  #copy(bytes: Uint8Array): Uint8Array {
    if (bytes.length > SLAB_BYTES / 4) return new Uint8Array(bytes);
    if (this.#slabUsed + bytes.length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const start = this.#slabUsed;
    this.#slabUsed += bytes.length;
    this.#slab.set(bytes, start);
    return this.#slab.subarray(start, this.#slabUsed);
  }

  #forgetOldest(): void {
    const { entry, seq } = this.#order[this.#first++]!;
    const batches = this.#chains.get(entry)!;
    const { header, payload } = batches.get(seq)!;
    this.#bytes -= header.length + payload.length;
    batches.delete(seq);
    if (batches.size === 0) this.#chains.delete(entry);
    // In steps, so that the array is not moved for every batch.
    if (this.#first < 1024) return;
    this.#order = this.#order.slice(this.#first);
    this.#first = 0;
  }
}
