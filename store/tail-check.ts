import { contains, countOf, subtract, type Range, type Ranges } from "@paddock/base/ranges.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { checkBatch } from "@paddock/wire/batch.ts";
import { encodeLogEntry, LOG_LOST } from "./arrival-log.ts";
import { readFacts } from "./batch-facts.ts";
import { storedBytes, storedRecords, type ChainEntry } from "./chain-entry.ts";
import type { ChainDraft } from "./chain-state.ts";
import { chainBytes, KEY_SPACES, logKey, seqKey, seqOfKey, seqRange } from "./keyspace.ts";
import { newestEntries } from "./log-reads.ts";
import { readOne } from "./store-reads.ts";
import { chargedBytes, type StoreCore } from "./store-core.ts";
import type { ChainId, StoredBatch } from "./types.ts";

/** What start-up had to repair. Empty after any crash of the program alone. */
export interface RecoveryNote {
  readonly chain: ChainId;
  /**
   * `rolled-forward`: batches were found behind the recorded head and belong to it. `rolled-back`: the recorded tail
   * was not all there.
   */
  readonly action: "rolled-forward" | "rolled-back";
  readonly seqs: Ranges;
}

/** Chains whose tail is checked at start: those written last. A crash cannot reach what was written long before. */
const TAILS_CHECKED = 256;
/** Log entries searched for the ones of batches that were rolled back. */
const LOG_ENTRIES_SEARCHED = 10_000;

/**
 * Checks the tail of the chains written last. A LevelDB batch is atomic and was synced before anyone heard of it, and a
 * chain's state is in the same batch as what it describes, so after a crash the two agree: one look at the head of each
 * chain, its hash, its payload and the place behind it is enough. What this guards against is a disk that lost or
 * altered what it had confirmed; then the chain goes on from its last good batch and the note tells the caller, who
 * must start a new epoch, because somebody may hold the batches that are gone.
 */
export async function checkTails(
  core: StoreCore,
  append: (chain: ChainId, batches: readonly StoredBatch[]) => Promise<boolean>,
): Promise<RecoveryNote[]> {
  const latest = [...core.chains.values()].toSorted((a, b) => b.working.written - a.working.written);
  const notes: RecoveryNote[] = [];
  for (const entry of latest.slice(0, TAILS_CHECKED)) {
    const { id, head } = entry.working;
    if (head === undefined) continue;
    const lost = await lostTail(core, entry);
    if (lost !== undefined) {
      await rollBack(core, entry, lost);
      notes.push({ chain: id, action: "rolled-back", seqs: [lost] });
      continue;
    }
    const behind = await batchesBehind(core, entry, head.seq);
    if (behind.length === 0) continue;
    if (await append(id, behind)) {
      notes.push({ chain: id, action: "rolled-forward", seqs: [[behind[0]!.seq, behind.at(-1)!.seq]] });
    } else {
      await removeBehind(core, entry, head.seq);
    }
  }
  return notes;
}

/** The held seqs at the end that are not good, or undefined when the head is. */
async function lostTail(core: StoreCore, entry: ChainEntry): Promise<Range | undefined> {
  const { head, held } = entry.working;
  if (head === undefined || (await isGood(core, entry, head.seq, head.hash))) return undefined;
  for (const [first, last] of held.toReversed()) {
    for (let seq = last; seq >= first; seq--) {
      if (seq < head.seq && (await isGood(core, entry, seq))) return [seq + 1, head.seq];
    }
  }
  return [0, head.seq];
}

async function isGood(core: StoreCore, entry: ChainEntry, seq: number, hash?: Uint8Array): Promise<boolean> {
  const batch = await readOne(core, entry, seq);
  if (batch === undefined || (batch.payload === null && !contains(entry.working.evicted, seq))) return false;
  const checked = checkBatch(batch);
  if (!checked.ok || checked.value.decoded.position.seq !== seq) return false;
  return hash === undefined || Buffer.compare(headerHash(batch.header), hash) === 0;
}

/** Whole batches behind the head that link to each other and check out. */
async function batchesBehind(core: StoreCore, entry: ChainEntry, head: number): Promise<StoredBatch[]> {
  const range = seqRange(KEY_SPACES.header, entry.working.key, head + 1, Number.MAX_SAFE_INTEGER);
  const batches: StoredBatch[] = [];
  for (const [key] of await core.database.page(range, 1000, 1 << 20)) {
    const batch = await readOne(core, entry, seqOfKey(key));
    if (batch === undefined || !checkBatch(batch).ok || batch.seq !== head + 1 + batches.length) break;
    batches.push(batch);
  }
  if (batches.length === 0 && (await core.database.page(range, 1, 1)).length > 0) await removeBehind(core, entry, head);
  return batches;
}

async function removeBehind(core: StoreCore, entry: ChainEntry, head: number): Promise<void> {
  for (const space of [KEY_SPACES.header, KEY_SPACES.payload] as const) {
    const range = seqRange(space, entry.working.key, head + 1, Number.MAX_SAFE_INTEGER);
    for (;;) {
      const page = await core.database.page(range, 1000, 1 << 20);
      if (page.length === 0) break;
      const operations = page.map(([key]) => ({ type: "del" as const, key }));
      await core.database.batch(operations, { sync: true });
    }
  }
}

/** Takes the chain back to before `lost`, counting again what is left of it. */
async function rollBack(core: StoreCore, entry: ChainEntry, lost: Range): Promise<void> {
  const state = entry.working;
  const held = subtract(state.held, [lost]);
  const draft: ChainDraft = { ...state, held, evicted: subtract(state.evicted, [lost]) };
  draft.acknowledged = subtract(state.acknowledged, [lost]);
  Object.assign(draft, { bytes: 0, records: 0, unacknowledgedBytes: 0, unacknowledgedRecords: 0 });
  for (const [first, last] of held) {
    for (let seq = first; seq <= last; seq++) await count(core, entry, draft, seq);
  }
  const newest = held.at(-1)?.[1];
  draft.head = newest === undefined ? undefined : await headAt(core, entry, newest);
  if (draft.linked > lost[0]) {
    draft.linked = newest === undefined ? 0 : Math.min(draft.linked, newest + 1);
    draft.linkedHead = draft.linked === 0 ? undefined : (await headAt(core, entry, draft.linked - 1))?.hash;
  }
  core.space.account(chargedBytes(draft.bytes, countOf(draft.held)) - chargedBytes(state.bytes, countOf(state.held)));
  await core.writeRepair(async (group) => {
    for (let seq = lost[0]; seq <= lost[1]; seq++) {
      group.delete(seqKey(KEY_SPACES.header, state.key, seq));
      group.delete(seqKey(KEY_SPACES.payload, state.key, seq));
    }
    if (core.arrivalLog) {
      for (const logged of await newestEntries(core, LOG_ENTRIES_SEARCHED)) {
        if (logged.seq < lost[0] || logged.seq > lost[1]) continue;
        if (Buffer.compare(chainBytes(logged.chain), state.key) !== 0) continue;
        const value = encodeLogEntry(LOG_LOST, state.key, logged.seq, logged.count, logged.received);
        group.put(logKey(logged.offset), value);
      }
    }
    core.touch(group, entry, draft);
  });
}

async function count(core: StoreCore, entry: ChainEntry, draft: ChainDraft, seq: number): Promise<void> {
  const header = await core.database.get(seqKey(KEY_SPACES.header, draft.key, seq));
  const facts = header === undefined ? undefined : readFacts(header);
  if (facts === undefined || !facts.ok) return;
  const bytes = storedBytes(entry.working, seq, facts.value);
  const records = storedRecords(entry.working, seq, facts.value);
  draft.bytes += bytes;
  draft.records += records;
  if (contains(draft.acknowledged, seq)) return;
  draft.unacknowledgedBytes += bytes;
  draft.unacknowledgedRecords += records;
}

async function headAt(core: StoreCore, entry: ChainEntry, seq: number): Promise<ChainDraft["head"]> {
  const header = await core.database.get(seqKey(KEY_SPACES.header, entry.working.key, seq));
  return header === undefined ? undefined : { seq, hash: Uint8Array.from(headerHash(header)) };
}
