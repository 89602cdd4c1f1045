import { contains, countOf, intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { storedBytes, storedRecords, type ChainEntry } from "./chain-entry.ts";
import { RUNS_MAX, withSeq, type ChainDraft, type ChainState } from "./chain-state.ts";
import { chainKey, KEY_SPACES, seqKey } from "./keyspace.ts";
import { chargedBytes, type StoreCore } from "./store-core.ts";
import type { WriteGroup } from "./write-group.ts";

/** Batches acknowledged by one request: a receipt for a long backlog must not hold up the frames of this moment. */
const ACKNOWLEDGE_BATCHES = 1024;

/** Runs of acknowledged seqs that one chain may have: far above what the receipts of a collector leave. */
const ACKNOWLEDGED_RUNS_MAX = 4 * RUNS_MAX;

/**
 * Notes that a receipt names these seqs, or the first of them; returns whether that was all. Not synced: when a power
 * cut takes the note, the collector is asked for its receipt again after the next start and names the same seqs.
 */
export async function acknowledgeIn(
  core: StoreCore,
  group: WriteGroup,
  entry: ChainEntry,
  ranges: Ranges,
  receipt: Uint8Array,
): Promise<boolean> {
  const state = entry.working;
  const draft: ChainDraft = { ...state };
  const known = intersect(ranges, union(state.held, state.trimmed));
  let fresh = subtract(intersect(known, state.held), state.acknowledged);
  const upTo = nthOf(fresh, ACKNOWLEDGE_BATCHES);
  const named = intersect(known, [[0, upTo]]);
  fresh = intersect(fresh, named);
  draft.acknowledged = union(state.acknowledged, named);
  // Could not be read again. No collector that merges what it holds comes near it.
  if (draft.acknowledged.length > ACKNOWLEDGED_RUNS_MAX) return true;
  if (subtract(state.held, draft.acknowledged).length === 0) {
    draft.unacknowledgedBytes = 0;
    draft.unacknowledgedRecords = 0;
  } else {
    for (const range of fresh) {
      for await (const [seq, facts] of core.facts.range(entry, range)) {
        draft.unacknowledgedBytes -= storedBytes(state, seq, facts);
        draft.unacknowledgedRecords -= storedRecords(state, seq, facts);
      }
    }
  }
  if (upTo === Infinity) group.put(chainKey(KEY_SPACES.receipt, state.key), receipt);
  // What was trimmed is acknowledged already, so nothing fresh is nothing new.
  if (fresh.length > 0) core.touch(group, entry, draft);
  return upTo === Infinity;
}

/** The `n`th number of a set when it has more than that, else infinity. */
function nthOf(ranges: Ranges, n: number): number {
  let left = n;
  for (const [first, last] of ranges) {
    if (last - first + 1 > left) return first + left - 1;
    left -= last - first + 1;
  }
  return Infinity;
}

/** Seqs that may go: acknowledged, and not the head, whose header later batches and epochs are checked against. */
export function trimmable(state: ChainState): Ranges {
  const acknowledged = intersect(state.held, state.acknowledged);
  return state.head === undefined ? [] : subtract(acknowledged, [[state.head.seq, state.head.seq]]);
}

export interface Trimmed {
  readonly batches: number;
  readonly bytes: number;
}

/** Batches deleted by one write of `trim`: other requests go between. */
const TRIM_BATCHES = 256;

/** The facts of these seqs, in order; of one run not many more than the first `most` are read. */
async function* factsOf(core: StoreCore, entry: ChainEntry, seqs: Ranges, most: number) {
  for (const [first, last] of seqs) yield* core.facts.range(entry, [first, Math.min(last, first + most - 1)]);
}

/** Deletes the oldest trimmable batches of one chain: as many as free `bytesWanted`, at most `batchesMax`. */
async function trimIn(
  core: StoreCore,
  group: WriteGroup,
  entry: ChainEntry,
  bytesWanted: number,
  batchesMax: number,
): Promise<Trimmed> {
  const state = entry.working;
  const draft: ChainDraft = { ...state };
  let gone: Ranges = [];
  let batches = 0;
  let charged = 0;
  for await (const [seq, facts] of factsOf(core, entry, trimmable(state), batchesMax)) {
    const bytes = storedBytes(state, seq, facts);
    draft.bytes -= bytes;
    draft.records -= storedRecords(state, seq, facts);
    charged += chargedBytes(bytes, 1);
    batches++;
    gone = withSeq(gone, seq);
    if (charged >= bytesWanted || batches === batchesMax) break;
  }
  if (batches === 0) return { batches: 0, bytes: 0 };
  draft.held = subtract(state.held, gone);
  draft.trimmed = union(state.trimmed, gone);
  draft.evicted = subtract(state.evicted, gone);
  for (const [first, last] of gone) {
    for (let seq = first; seq <= last; seq++) {
      group.delete(seqKey(KEY_SPACES.header, state.key, seq));
      if (!contains(state.evicted, seq)) group.delete(seqKey(KEY_SPACES.payload, state.key, seq));
    }
    entry.deletedTo = Math.max(entry.deletedTo, last);
  }
  const bytes = state.bytes - draft.bytes;
  entry.deletedBytes += bytes;
  core.space.account(-charged);
  core.counters.trimmedBatches += batches;
  core.counters.trimmedBytes += bytes;
  // Synced, because a lost deletion would leave batches that no chain state knows of: room that never comes back.
  group.sync = true;
  core.touch(group, entry, draft);
  return { batches, bytes: charged };
}

/** What trimming everything would free, as charged: all that is acknowledged but the head. */
async function trimmableBytes(core: StoreCore, entry: ChainEntry): Promise<number> {
  const state = entry.working;
  const seqs = trimmable(state);
  if (seqs.length === 0) return 0;
  let bytes = state.bytes - state.unacknowledgedBytes;
  const { seq } = state.head!;
  if (contains(state.acknowledged, seq)) {
    for await (const [, facts] of core.facts.range(entry, [seq, seq])) bytes -= storedBytes(state, seq, facts);
  }
  return chargedBytes(bytes, countOf(seqs));
}

/** One step of trimming down to `keepBytes` of what could be trimmed. */
export async function trimSome(core: StoreCore, group: WriteGroup, keepBytes: number): Promise<Trimmed> {
  let total = 0;
  for (const entry of core.chains.values()) total += await trimmableBytes(core, entry);
  if (total <= keepBytes) return { batches: 0, bytes: 0 };
  return trimLargest(core, group, total - keepBytes);
}

/** One step of trimming the chain with the most to trim, by `bytes`. */
export async function trimLargest(core: StoreCore, group: WriteGroup, bytes: number): Promise<Trimmed> {
  let largest: ChainEntry | undefined;
  let most = 0;
  for (const entry of core.chains.values()) {
    const bytesThere = await trimmableBytes(core, entry);
    if (bytesThere > most) [largest, most] = [entry, bytesThere];
  }
  return largest === undefined ? { batches: 0, bytes: 0 } : trimIn(core, group, largest, bytes, TRIM_BATCHES);
}
