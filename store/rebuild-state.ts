import { contains, countOf, subtract, union } from "@paddock/base/ranges.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import { readFacts, type BatchFacts } from "./batch-facts.ts";
import { storedBytes, storedRecords } from "./chain-entry.ts";
import { emptyChain, withSeq, type ChainDraft, type ChainState } from "./chain-state.ts";
import { chainOfBytes, KEY_SPACES, seqKey, seqOfKey } from "./keyspace.ts";
import { chargedBytes, newEntry, type StoreCore } from "./store-core.ts";
import { isLatest, type RecoveryNote } from "./tail-check.ts";
import { entriesOf, valueOf } from "./tolerant-reads.ts";

/**
 * Works out anew the states of chains whose own entry does not decode, so that one of them keeps neither the others nor
 * itself from opening. Costs a look at all that such a chain holds. Whether its end is all there nobody can say, so a
 * lane that seals must begin a new epoch.
 */
export async function rebuildStates(
  core: StoreCore,
  keys: readonly Buffer[],
  readOnly: boolean,
): Promise<readonly RecoveryNote[]> {
  const notes: RecoveryNote[] = [];
  for (const key of keys) {
    const state = await rebuildState(core, key);
    const entry = newEntry(key.toString("latin1"), key, state.id);
    core.chains.set(entry.name, entry);
    core.space.account(chargedBytes(state.bytes, countOf(state.held)));
    entry.working = entry.published = state;
    if (readOnly) continue;
    notes.push({ chain: state.id, action: "state-rebuilt", seqs: state.held });
    await core.writeRepair(async (group) => {
      core.touch(group, entry, state);
      if (core.outOfOrder || !isLatest(core, state.id)) return;
      core.duties.add(group, { kind: "epoch", chain: state.id, seqs: [], last: state.head ?? null });
    });
  }
  return notes;
}

async function rebuildState(core: StoreCore, key: Buffer): Promise<ChainState> {
  const state: ChainDraft = emptyChain(chainOfBytes(key), key);
  const facts = new Map<number, BatchFacts>();
  for await (const [headerKey, header] of entriesOf(core.database, KEY_SPACES.header, key)) {
    const seq = seqOfKey(headerKey);
    // One that does not decode is held all the same: it is damage, not a gap.
    state.held = withSeq(state.held, seq);
    state.head = { seq, hash: Uint8Array.from(headerHash(header)) };
    const read = readFacts(header);
    if (read.ok) facts.set(seq, read.value);
    const payload = await valueOf(core.database, seqKey(KEY_SPACES.payload, key, seq));
    if (payload === undefined) state.evicted = withSeq(state.evicted, seq);
  }
  // A buffer has no other gaps than what was acknowledged and trimmed; a ledger trims nothing.
  if (!core.outOfOrder && state.head !== undefined) {
    state.trimmed = state.acknowledged = subtract([[0, state.head.seq]], state.held);
  }
  for (const [seq, found] of facts) {
    state.bytes += storedBytes(state, seq, found);
    state.records += storedRecords(state, seq, found);
  }
  state.unacknowledgedBytes = state.bytes;
  state.unacknowledgedRecords = state.records;
  link(state, facts);
  return state;
}

/** Counts the batches from seq 0 that follow each other. */
function link(state: ChainDraft, facts: ReadonlyMap<number, BatchFacts>): void {
  const once = union(state.held, state.trimmed);
  let before: BatchFacts | undefined;
  for (; contains(once, state.linked); state.linked++) {
    const found = facts.get(state.linked);
    if (found === undefined && contains(state.held, state.linked)) break;
    if (before !== undefined && found !== undefined && !follows(found, before)) break;
    before = found;
    state.linkedHead = found?.hash;
  }
}

function follows({ previous }: BatchFacts, before: BatchFacts): boolean {
  return previous !== null && Buffer.compare(previous, before.hash) === 0;
}
