import { PaddockError } from "@paddock/base/errors.ts";
import { contains, type Range } from "@paddock/base/ranges.ts";
import { readFacts, type BatchFacts, type FactsBySeq, type FactsCache } from "./batch-facts.ts";
import type { ChainState } from "./chain-state.ts";
import type { KeyValueDatabase } from "./database.ts";
import { KEY_SPACES, seqKey, seqOfKey, seqRange } from "./keyspace.ts";
import { pageOf, valueOf } from "./tolerant-reads.ts";
import { HEADER_BYTES_MAX } from "@paddock/wire/limits.ts";

/** One chain in memory. */
export interface ChainEntry {
  readonly name: string;
  /** What the next write builds on; ahead of the disk while a write is under way. */
  working: ChainState;
  /** What is on disk. Nobody outside may see more: a batch that was sent but not stored would fork the chain. */
  published: ChainState | undefined;
  readonly facts: FactsBySeq;
  /** Deleted since the last compaction, and the highest seq among it. */
  deletedBytes: number;
  deletedTo: number;
}

/** Headers read by one look at the disk. */
const HEADERS_PER_PAGE = 512;

/** What is known of a batch whose header cannot be read. */
const UNREADABLE: BatchFacts = { hash: new Uint8Array(0), previous: null, count: 0, headerBytes: 0, payloadBytes: 0 };

/** Facts of batches, from memory or from the stored headers. */
export class FactsReader {
  readonly #database: KeyValueDatabase;
  readonly #cache: FactsCache;

  constructor(database: KeyValueDatabase, cache: FactsCache) {
    this.#database = database;
    this.#cache = cache;
  }

  /** Facts of a held batch. Throws PaddockError STORE_DAMAGED when its header is not to be read. */
  async one(entry: ChainEntry, seq: number): Promise<BatchFacts> {
    const known = entry.facts.get(seq);
    if (known !== undefined) return known;
    const header = await this.#database.get(seqKey(KEY_SPACES.header, entry.working.key, seq));
    const facts = this.#tryLearn(entry, seq, header);
    if (facts !== undefined) return facts;
    throw new PaddockError("STORE_DAMAGED", `The header of batch ${seq} of a chain is missing or damaged.`);
  }

  /**
   * Facts of held batches `first` to `last`, in order, a page at a time. Of one whose header is not to be read nothing
   * is known: what counts, acknowledges or deletes batches goes on over it.
   */
  async *range(entry: ChainEntry, [first, last]: Range): AsyncGenerator<[seq: number, facts: BatchFacts]> {
    for (let start = first; start <= last; start += HEADERS_PER_PAGE) {
      const end = Math.min(last, start + HEADERS_PER_PAGE - 1);
      const headers = await this.#missing(entry, start, end);
      for (let seq = start; seq <= end; seq++) {
        yield [seq, entry.facts.get(seq) ?? this.#tryLearn(entry, seq, headers.get(seq)) ?? UNREADABLE];
      }
    }
  }

  async #missing(entry: ChainEntry, first: number, last: number): Promise<Map<number, Uint8Array>> {
    const headers = new Map<number, Uint8Array>();
    let next = first;
    while (next <= last && entry.facts.has(next)) next++;
    while (next <= last) {
      const page = await pageOf(
        this.#database,
        seqRange(KEY_SPACES.header, entry.working.key, next, last),
        last - next + 1,
        HEADERS_PER_PAGE * HEADER_BYTES_MAX,
      );
      if (page === undefined) {
        const header = await valueOf(this.#database, seqKey(KEY_SPACES.header, entry.working.key, next));
        if (header !== undefined) headers.set(next, header);
        next++;
        continue;
      }
      if (page.length === 0) break;
      for (const [key, header] of page) headers.set(seqOfKey(key), header);
      next = seqOfKey(page.at(-1)![0]) + 1;
    }
    return headers;
  }

  #tryLearn(entry: ChainEntry, seq: number, header: Uint8Array | undefined): BatchFacts | undefined {
    const read = header === undefined ? undefined : readFacts(header);
    if (read === undefined || !read.ok) return undefined;
    this.#cache.remember(entry.facts, seq, read.value);
    return read.value;
  }
}

/** Bytes of the batch that are stored now. */
export function storedBytes(state: ChainState, seq: number, facts: BatchFacts): number {
  return facts.headerBytes + (contains(state.evicted, seq) ? 0 : facts.payloadBytes);
}

/** Records of the batch that are stored now. */
export function storedRecords(state: ChainState, seq: number, facts: BatchFacts): number {
  return contains(state.evicted, seq) ? 0 : facts.count;
}
