import { PaddockError } from "@paddock/base/errors.ts";
import { contains } from "@paddock/base/ranges.ts";
import { HEADER_BYTES_MAX } from "@paddock/wire/limits.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { rangeAround } from "./chain-state.ts";
import { KEY_SPACES, prefixRange, seqKey, seqOfKey, seqRange, sideNameOfKey } from "./keyspace.ts";
import type { StoreCore } from "./store-core.ts";
import type { StoredBatch } from "./types.ts";

export interface ReadLimits {
  /** Last seq to read; by default the end of the run. */
  readonly last?: number;
  /** Of headers and payloads; one batch is read even when it is larger. */
  readonly maxBytes: number;
  readonly maxBatches?: number;
}

/** Batches looked at by one read of the disk. */
const PAGE_BATCHES = 256;

/**
 * Stored batches from `first` on, without a gap. Throws PaddockError STORE_DAMAGED when one that should be there is not
 * and was not trimmed meanwhile.
 */
export async function readBatches(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  limits: ReadLimits,
): Promise<StoredBatch[]> {
  const batches: StoredBatch[] = [];
  const run = rangeAround(entry.published?.held ?? [], first);
  if (run === undefined) return batches;
  const last = Math.min(run[1], limits.last ?? run[1], first + (limits.maxBatches ?? Infinity) - 1);
  let bytes = 0;
  let seq = first;
  while (seq <= last) {
    const end = Math.min(last, seq + PAGE_BATCHES - 1);
    const payloads = await readPayloads(core, entry, seq, end, limits.maxBytes - bytes);
    const { seen } = payloads;
    const start = seq;
    const headers = await readHeaderValues(core, entry, start, seen);
    for (; seq <= seen; seq++) {
      const header = headers[seq - start];
      const payload = payloads.values.get(seq) ?? null;
      if (header === undefined || (payload === null && !evictedNow(entry, seq))) {
        if (trimmedNow(entry, seq)) return batches;
        throw damaged(header === undefined ? "header" : "payload", seq);
      }
      bytes += header.length + (payload?.length ?? 0);
      if (bytes > limits.maxBytes && batches.length > 0) return batches;
      batches.push({ seq, header, payload });
    }
    if (bytes >= limits.maxBytes) return batches;
  }
  return batches;
}

/** Stored headers of `first` to `last`, up to the first one that is not held. */
export async function readHeaders(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  last: number,
): Promise<{ readonly seq: number; readonly header: Uint8Array }[]> {
  const result: { seq: number; header: Uint8Array }[] = [];
  const run = rangeAround(entry.published?.held ?? [], first);
  const end = run === undefined ? -1 : Math.min(last, run[1]);
  for (let seq = first; seq <= end; seq += PAGE_BATCHES) {
    const upTo = Math.min(end, seq + PAGE_BATCHES - 1);
    for (const [index, header] of (await readHeaderValues(core, entry, seq, upTo)).entries()) {
      if (header !== undefined) result.push({ seq: seq + index, header });
      else if (trimmedNow(entry, seq + index)) return result;
      else throw damaged("header", seq + index);
    }
  }
  return result;
}

/** Side entries whose key starts with `prefix`. */
export async function readSide(core: StoreCore, prefix: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const range = prefixRange(KEY_SPACES.side, Buffer.from(prefix, "utf8"));
  let after: Uint8Array | undefined;
  for (;;) {
    const bounds = after === undefined ? range : { gt: after, lt: range.lt };
    const page = await core.database.page(bounds, 1000, 1 << 20);
    if (page.length === 0) return found;
    for (const [key, value] of page) found.set(sideNameOfKey(key), value);
    after = page.at(-1)![0];
  }
}

/** Payloads of `first` to `seen`: the page may end early, and behind its last payload nothing was looked at. */
async function readPayloads(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  last: number,
  maxBytes: number,
): Promise<{ values: Map<number, Uint8Array>; seen: number }> {
  const values = new Map<number, Uint8Array>();
  const range = seqRange(KEY_SPACES.payload, entry.working.key, first, last);
  const page = await core.database.page(range, last - first + 1, Math.max(1, maxBytes));
  for (const [key, value] of page) values.set(seqOfKey(key), value);
  return { values, seen: page.length === 0 ? last : seqOfKey(page.at(-1)![0]) };
}

async function readHeaderValues(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  last: number,
): Promise<(Uint8Array | undefined)[]> {
  const headers: (Uint8Array | undefined)[] = Array.from({ length: last - first + 1 });
  const range = seqRange(KEY_SPACES.header, entry.working.key, first, last);
  const page = await core.database.page(range, last - first + 1, PAGE_BATCHES * HEADER_BYTES_MAX * 2);
  for (const [key, header] of page) headers[seqOfKey(key) - first] = header;
  return headers;
}

/** Looked up behind the read, so that an eviction or a trim during it is not taken for damage. */
function evictedNow(entry: ChainEntry, seq: number): boolean {
  return contains(entry.working.evicted, seq);
}

function trimmedNow(entry: ChainEntry, seq: number): boolean {
  return contains(entry.working.trimmed, seq);
}

function damaged(what: string, seq: number): PaddockError {
  return new PaddockError("STORE_DAMAGED", `The ${what} of batch ${seq} of a chain is missing.`);
}

/** One batch by its place, or undefined when it is not stored. */
export async function readOne(core: StoreCore, entry: ChainEntry, seq: number): Promise<StoredBatch | undefined> {
  const { key } = entry.working;
  const [header, payload] = await core.database.getMany([
    seqKey(KEY_SPACES.header, key, seq),
    seqKey(KEY_SPACES.payload, key, seq),
  ]);
  return header === undefined ? undefined : { seq, header, payload: payload ?? null };
}
