import type { Range, Ranges } from "@paddock/base/ranges.ts";
import type { ChainId, Eviction } from "./types.ts";

/** A payload that could be given up. */
export interface Candidate {
  readonly chain: ChainId;
  readonly seq: number;
  readonly payloadBytes: number;
  readonly records: number;
}

/** What a loss record says of one chain. */
export interface PlannedEviction extends Eviction {
  readonly records: number;
  readonly bytes: number;
}

export interface EvictionPlan {
  /** For StoreWrite.evict, and one loss record for each. */
  readonly evict: readonly PlannedEviction[];
  /** Bytes that it frees; less than asked for when there is no more to give up. */
  readonly bytes: number;
}

/**
 * Chooses payloads until `bytesNeeded` are free. Candidates come oldest first and are taken in that order: what was
 * measured first has waited longest and is the least of news. Pure; the store feeds it page by page through `next`.
 */
export class EvictionChoice {
  readonly #bytesNeeded: number;
  readonly #chosen = new Map<string, { chain: ChainId; seqs: Range[]; records: number; bytes: number }>();
  #bytes = 0;

  constructor(bytesNeeded: number) {
    this.#bytesNeeded = bytesNeeded;
  }

  get satisfied(): boolean {
    return this.#bytes >= this.#bytesNeeded;
  }

  /** Takes the candidate unless enough is chosen. Empty payloads free nothing and stay. */
  consider(candidate: Candidate, name: string): void {
    if (this.satisfied || candidate.payloadBytes === 0) return;
    let chosen = this.#chosen.get(name);
    if (chosen === undefined) {
      chosen = { chain: candidate.chain, seqs: [], records: 0, bytes: 0 };
      this.#chosen.set(name, chosen);
    }
    const tail = chosen.seqs.at(-1);
    if (tail !== undefined && tail[1] + 1 === candidate.seq)
      chosen.seqs[chosen.seqs.length - 1] = [tail[0], candidate.seq];
    else chosen.seqs.push([candidate.seq, candidate.seq]);
    chosen.records += candidate.records;
    chosen.bytes += candidate.payloadBytes;
    this.#bytes += candidate.payloadBytes;
  }

  plan(): EvictionPlan {
    return { evict: [...this.#chosen.values()], bytes: this.#bytes };
  }
}

/** Seqs that may be given up: payload here, not acknowledged (those are trimmed instead), not the head. */
export function evictable(pending: Ranges, head: number | undefined): Ranges {
  const tail = pending.at(-1);
  if (tail === undefined || head === undefined || tail[1] !== head) return pending;
  return tail[0] === head ? pending.slice(0, -1) : [...pending.slice(0, -1), [tail[0], head - 1]];
}
