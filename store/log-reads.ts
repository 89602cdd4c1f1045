import { PaddockError } from "@paddock/base/errors.ts";
import { decodeLogEntry, LOG_EVICTED, LOG_LOST, type StoredLogEntry } from "./arrival-log.ts";
import { KEY_SPACES, logKey, prefixRange } from "./keyspace.ts";
import { readOne } from "./store-reads.ts";
import type { StoreCore } from "./store-core.ts";
import type { LogEntry, StoredBatch } from "./types.ts";

export interface LogLimits {
  /** Of headers and payloads; one batch is read even when it is larger. */
  readonly maxBytes: number;
  readonly maxBatches: number;
}

export type LoggedBatch = LogEntry & StoredBatch;

/** Batches in arrival order from the one that holds record `from`. Throws PaddockError STORE_DAMAGED. */
export async function readLog(core: StoreCore, from: number, limits: LogLimits): Promise<LoggedBatch[]> {
  const batches: LoggedBatch[] = [];
  if (from >= core.logEnd) return batches;
  const end = core.logEnd;
  let next = (await entryAround(core, from))?.offset ?? from;
  let bytes = 0;
  while (next < end && batches.length < limits.maxBatches && bytes < limits.maxBytes) {
    const entries = await readEntries(core, next, end, Math.min(64, limits.maxBatches - batches.length));
    if (entries.length === 0) break;
    for (const entry of entries) {
      next = entry.offset + entry.count;
      if (entry.kind === LOG_LOST) continue;
      const batch = await readOne(core, core.entry(entry.chain), entry.seq);
      if (batch === undefined) {
        throw new PaddockError("STORE_DAMAGED", `The batch at log offset ${entry.offset} is missing.`);
      }
      const { kind, ...place } = entry;
      const payload = kind === LOG_EVICTED ? null : batch.payload;
      bytes += batch.header.length + (payload?.length ?? 0);
      if (bytes > limits.maxBytes && batches.length > 0) return batches;
      batches.push({ ...place, header: batch.header, payload });
      if (bytes >= limits.maxBytes) return batches;
    }
  }
  return batches;
}

/**
 * The offset of the first batch written at or after `receivedMs`, or the end of the log. A search by halves: where the
 * wall clock of this machine was stepped back, one of the offsets that fit is found.
 */
export async function logOffsetAt(core: StoreCore, receivedMs: number): Promise<number> {
  let low = 0;
  let high = core.logEnd;
  while (low < high) {
    const entry = await entryAround(core, Math.floor((low + high) / 2));
    if (entry === undefined) return low;
    if (entry.received >= receivedMs) high = entry.offset;
    else low = entry.offset + entry.count;
  }
  return low;
}

/** Offset behind the last record that is on disk. */
export async function readLogEnd(core: StoreCore): Promise<number> {
  const entry = await entryAround(core, Number.MAX_SAFE_INTEGER);
  return entry === undefined ? 0 : entry.offset + entry.count;
}

/** The entry with the greatest offset up to `offset`. */
async function entryAround(core: StoreCore, offset: number): Promise<StoredLogEntry | undefined> {
  const { gte } = prefixRange(KEY_SPACES.log);
  const page = await core.database.page({ gte, lte: logKey(offset), reverse: true }, 1, 1024);
  return page.length === 0 ? undefined : readEntry(page[0]!);
}

async function readEntries(core: StoreCore, first: number, end: number, limit: number): Promise<StoredLogEntry[]> {
  const page = await core.database.page({ gte: logKey(first), lt: logKey(end) }, limit, 1 << 16);
  return page.map((entry) => readEntry(entry));
}

function readEntry([key, value]: readonly [Uint8Array, Uint8Array]): StoredLogEntry {
  const entry = decodeLogEntry(key, value);
  if (typeof entry === "string") throw new PaddockError("STORE_DAMAGED", `In the arrival log, ${entry}.`);
  return entry;
}

/** Log entries from the newest back, for recovery. */
export async function newestEntries(core: StoreCore, limit: number): Promise<StoredLogEntry[]> {
  const page = await core.database.page({ ...prefixRange(KEY_SPACES.log), reverse: true }, limit, limit * 128);
  return page.map((entry) => readEntry(entry));
}
