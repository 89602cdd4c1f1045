import { contains } from "@paddock/base/ranges.ts";
import { HEADER_BYTES_MAX } from "@paddock/wire/limits.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { rangeAround } from "./chain-state.ts";
import { checkHeaders, checkPayload, isNamedBy, namedHash, type CheckedHeader } from "./checked-reads.ts";
import { KEY_SPACES, seqKey, seqOfKey, seqRange, sideNameOfKey } from "./keyspace.ts";
import type { StoreCore } from "./store-core.ts";
import { entriesOf, pageOf, valueOf, valuesOf } from "./tolerant-reads.ts";
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
 * Stored batches from `first` on, without a gap, each held against its hashes. Ends before a header that is missing or
 * damaged, and before what is trimmed while it is read, so it is empty when `first` is one.
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
    const headers = await checkedHeaders(core, entry, start, seen);
    for (; seq <= seen; seq++) {
      const header = headers[seq - start];
      // What was trimmed meanwhile nobody wants any more, whole or not: it is no damage either.
      if (header === undefined || contains(entry.working.trimmed, seq)) return batches;
      const stored = payloads.values.get(seq);
      const size = header.header.length + (stored?.length ?? 0);
      if (bytes + size > limits.maxBytes && batches.length > 0) return batches;
      bytes += size;
      batches.push(checkPayload(core, entry, header, stored));
    }
    if (bytes >= limits.maxBytes) return batches;
  }
  return batches;
}

/** Stored headers of `first` to `last`, up to the first one that is not held or not to be believed. */
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
    for (const [index, checked] of (await checkedHeaders(core, entry, seq, upTo)).entries()) {
      if (checked === undefined) return result;
      result.push({ seq: seq + index, header: checked.header });
    }
  }
  return result;
}

/** Side entries whose key starts with `prefix`. */
export async function readSide(core: StoreCore, prefix: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const [key, value] of entriesOf(core.database, KEY_SPACES.side, Buffer.from(prefix, "utf8"))) {
    found.set(sideNameOfKey(key), value);
  }
  return found;
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
  const { key } = entry.working;
  const range = seqRange(KEY_SPACES.payload, key, first, last);
  const page = await pageOf(core.database, range, PAGE_BATCHES, Math.max(1, maxBytes));
  if (page === undefined) {
    // Around the damage one by one.
    const value = await valueOf(core.database, seqKey(KEY_SPACES.payload, key, first));
    if (value !== undefined) values.set(first, value);
    return { values, seen: first };
  }
  for (const [payloadKey, value] of page) values.set(seqOfKey(payloadKey), value);
  return { values, seen: page.length === 0 ? last : seqOfKey(page.at(-1)![0]) };
}

async function checkedHeaders(
  core: StoreCore,
  entry: ChainEntry,
  first: number,
  last: number,
): Promise<(CheckedHeader | undefined)[]> {
  const { key } = entry.working;
  const named = await namedHash(core, entry, last);
  const range = seqRange(KEY_SPACES.header, key, first, last);
  const page = await pageOf(core.database, range, PAGE_BATCHES, PAGE_BATCHES * HEADER_BYTES_MAX * 2);
  let headers: (Uint8Array | undefined)[] = Array.from({ length: last - first + 1 });
  if (page !== undefined) {
    for (const [headerKey, header] of page) headers[seqOfKey(headerKey) - first] = header;
  } else {
    const keys = headers.map((_, index) => seqKey(KEY_SPACES.header, key, first + index));
    headers = await valuesOf(core.database, keys);
  }
  return checkHeaders(core, entry, first, headers, named);
}

/** One batch by its place, or undefined when it is not stored or its header is not to be believed. */
export async function readOne(core: StoreCore, entry: ChainEntry, seq: number): Promise<StoredBatch | undefined> {
  const { key } = entry.working;
  const [header, payload, next] = await valuesOf(core.database, [
    seqKey(KEY_SPACES.header, key, seq),
    seqKey(KEY_SPACES.payload, key, seq),
    seqKey(KEY_SPACES.header, key, seq + 1),
  ]);
  // Where the next header names this one, nobody else need be asked.
  const agreed = header !== undefined && isNamedBy(next, header);
  const named = agreed ? undefined : await namedHash(core, entry, seq);
  const [checked] = checkHeaders(core, entry, seq, [header], named);
  return checked === undefined ? undefined : checkPayload(core, entry, checked, payload);
}

/** A batch as it lies on the disk, for those who check it themselves. */
export async function readRaw(
  core: StoreCore,
  entry: ChainEntry,
  seq: number,
): Promise<{ readonly header: Uint8Array | undefined; readonly payload: Uint8Array | undefined }> {
  const { key } = entry.working;
  const [header, payload] = await valuesOf(core.database, [
    seqKey(KEY_SPACES.header, key, seq),
    seqKey(KEY_SPACES.payload, key, seq),
  ]);
  return { header, payload };
}
