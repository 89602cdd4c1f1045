import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { contains } from "@paddock/base/ranges.ts";
import { decodeLogEntry, LOG_EVICTED, LOG_LOST, type StoredLogEntry } from "./arrival-log.ts";
import type { ChainEntry } from "./chain-entry.ts";
import type { DatabaseEntry, KeyValueDatabase } from "./database.ts";
import { KEY_SPACES, logKey, logOffsetOfKey, prefixRange } from "./keyspace.ts";
import { RECORDS_MAX } from "@paddock/wire/limits.ts";
import { readOne } from "./store-reads.ts";
import type { StoreCore } from "./store-core.ts";
import { pageOf } from "./tolerant-reads.ts";
import type { ChainId, LogEntry, StoredBatch } from "./types.ts";

export interface LogLimits {
  /** Of headers and payloads; one batch is read even when it is larger. */
  readonly maxBytes: number;
  /** Batches and losses. */
  readonly maxBatches: number;
}

/** A batch of the log, held against its hashes. */
export interface LoggedBatch extends LogEntry, StoredBatch {
  readonly lost?: undefined;
}

/** Records that stood in the log at `offset` to `offset + count - 1` and cannot be read any more. */
export interface LogLoss {
  readonly offset: number;
  readonly count: number;
  readonly lost:
    /** The log has no entry here: damage. Whose they were is not known. */
    | "entry"
    /** The batch's header is missing or damaged. */
    | "header"
    /** The batch was taken back after damage at its chain's end; what arrived again stands further on. */
    | "rolled-back"
    /** The batch was trimmed. Never in a ledger, which trims nothing. */
    | "trimmed";
  readonly chain?: ChainId;
  readonly seq?: number;
}

export type LogItem = LoggedBatch | LogLoss;

/** Entries read by one look at the log. */
const PAGE_ENTRIES = 64;

/**
 * The log in arrival order from record `from` on: every offset up to the end is in one of the items. The first one
 * begins at `from`, or is the batch that holds it. Beyond the end is `out-of-range`: an offset of another log.
 */
export async function readLog(
  core: StoreCore,
  from: number,
  limits: LogLimits,
): Promise<Outcome<LogItem[], "out-of-range">> {
  const end = core.logEnd;
  if (from > end) return refuse("out-of-range", `Offset ${from} is beyond the end of the log, ${end}.`);
  const items: LogItem[] = [];
  let bytes = 0;
  let next = from;
  const around = from < end ? await entryAround(core, from) : undefined;
  if (around !== undefined && around.offset + around.count > from) next = around.offset;
  while (next < end && items.length < limits.maxBatches && bytes < limits.maxBytes) {
    const entries = await readEntries(core, next, end, Math.min(PAGE_ENTRIES, limits.maxBatches - items.length));
    if (entries.length === 0) {
      items.push(lostEntries(core, next, end - next));
      break;
    }
    for (const entry of entries) {
      if (entry.offset > next) items.push(lostEntries(core, next, entry.offset - next));
      next = entry.offset + entry.count;
      const item = await readItem(core, entry);
      if (item.lost === undefined) bytes += item.header.length + (item.payload?.length ?? 0);
      if (bytes > limits.maxBytes && items.length > 0) return accept(items);
      items.push(item);
      if (bytes >= limits.maxBytes || items.length >= limits.maxBatches) return accept(items);
    }
  }
  return accept(items);
}

/** Whether the log has an entry for every offset from `from` on, over at most `limit` entries; where that ended. */
export async function checkLog(
  core: StoreCore,
  from: number,
  limit: number,
): Promise<{ readonly next: number; readonly lost: number }> {
  const end = core.logEnd;
  const entries = await readEntries(core, from, end, limit);
  let next = from;
  let lost = 0;
  for (const { offset, count } of entries) {
    if (offset > next) lost++;
    if (offset > next) lostEntries(core, next, offset - next);
    next = offset + count;
  }
  if (entries.length > 0) return { next, lost };
  lostEntries(core, from, end - from);
  return { next: end, lost: 1 };
}

async function readItem(core: StoreCore, entry: StoredLogEntry): Promise<LogItem> {
  const { kind, ...place } = entry;
  const { offset, count, chain, seq } = entry;
  if (kind === LOG_LOST || core.revocations.covers(entry)) return { offset, count, lost: "rolled-back", chain, seq };
  const found = core.entry(chain);
  const batch = await readOne(core, found, seq);
  if (batch === undefined) return { offset, count, lost: whyWithout(found, seq), chain, seq };
  // When its payload arrived later that is another entry.
  if (kind === LOG_EVICTED) return { ...place, header: batch.header, payload: null };
  return { ...place, ...batch };
}

function whyWithout(entry: ChainEntry, seq: number): LogLoss["lost"] {
  return contains(entry.working.trimmed, seq) ? "trimmed" : "header";
}

function lostEntries(core: StoreCore, offset: number, count: number): LogLoss {
  const detail = `The arrival log has no entry for offsets ${offset} to ${offset + count - 1}.`;
  core.damage.tell({ chain: undefined, offset, count, what: "log", detail });
  return { offset, count, lost: "entry" };
}

/**
 * The offset of the first batch written at or after `receivedMs`, or the end of the log. A search by halves: where the
 * wall clock of this machine was stepped back, one of the offsets that fit is found.
 */
export async function logOffsetAt(core: StoreCore, receivedMs: number): Promise<number> {
  let low = 0;
  let high = core.logEnd;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = await entryAround(core, middle);
    if (entry === undefined) return low;
    // No entry at the middle: what was lost there cannot say when it was written.
    const behind = Math.max(entry.offset + entry.count, middle + 1);
    if (entry.received >= receivedMs) high = entry.offset;
    else low = behind;
  }
  return low;
}

/** Offset behind the last record that is on disk; behind all that it can have been where the end is not readable. */
export async function readLogEnd(core: StoreCore): Promise<number> {
  const space = prefixRange(KEY_SPACES.log);
  const page = await pageOf(core.database, { ...space, reverse: true }, 1, 1024);
  const entry = page?.[0] === undefined ? undefined : decodeLogEntry(...page[0]);
  if (page?.length === 0) return 0;
  if (entry !== undefined && typeof entry !== "string") return entry.offset + entry.count;
  const key = page?.[0]?.[0];
  const last = key === undefined ? await lastLogOffset(core.database) : logOffsetOfKey(key);
  core.damage.tell({ chain: undefined, offset: last, what: "log", detail: "The last log entry is damaged." });
  return last + RECORDS_MAX;
}

/** The greatest offset that has an entry, readable or not: behind it a look finds nothing, without an error. */
async function lastLogOffset(database: KeyValueDatabase): Promise<number> {
  return firstWhere(0, Number.MAX_SAFE_INTEGER, async (offset) => {
    const page = await pageOf(database, { gt: logKey(offset), lt: prefixRange(KEY_SPACES.log).lt }, 1, 1024);
    return page?.length === 0;
  });
}

/** The first number from `low` to `high` of which `holds` is true, which stays so for all greater ones. */
async function firstWhere(low: number, high: number, holds: (value: number) => Promise<boolean>): Promise<number> {
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (await holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The readable entry with the greatest offset up to `offset`, or undefined when damage hides it. */
async function entryAround(core: StoreCore, offset: number): Promise<StoredLogEntry | undefined> {
  const { gte } = prefixRange(KEY_SPACES.log);
  const page = await pageOf(core.database, { gte, lte: logKey(offset), reverse: true }, 1, 1024);
  return page === undefined ? undefined : readable(page)[0];
}

/** Entries from the first readable one on, at most `limit`; none when there is none before `end`. */
async function readEntries(core: StoreCore, first: number, end: number, limit: number): Promise<StoredLogEntry[]> {
  const read = async (from: number, entries: number) =>
    pageOf(core.database, { gte: logKey(from), lt: logKey(end) }, entries, entries * 128);
  for (let from = first; from < end;) {
    const page = (await read(from, limit)) ?? (await read(from, 1));
    if (page !== undefined) {
      if (page.length === 0) return [];
      const entries = readable(page);
      if (entries.length > 0) return entries;
      from = logOffsetOfKey(page.at(-1)![0]) + 1;
      continue;
    }
    // A damaged block: a look that begins behind it does not see it.
    let step = 1;
    while (from + step < end && (await read(from + step, 1)) === undefined) step *= 2;
    const isReadable = async (offset: number) => (await read(offset, 1)) !== undefined;
    from = await firstWhere(from, Math.min(end, from + step), isReadable);
  }
  return [];
}

function readable(page: readonly DatabaseEntry[]): StoredLogEntry[] {
  const entries: StoredLogEntry[] = [];
  for (const [key, value] of page) {
    const entry = decodeLogEntry(key, value);
    if (typeof entry !== "string") entries.push(entry);
  }
  return entries;
}
