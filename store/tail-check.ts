import { contains, countOf, subtract, type Range, type Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader, headerHash, type BatchHeader } from "@paddock/wire/batch-header.ts";
import { checkBatch } from "@paddock/wire/batch.ts";
import { readFacts } from "./batch-facts.ts";
import { storedBytes, storedRecords, type ChainEntry } from "./chain-entry.ts";
import { withSeq, type ChainDraft } from "./chain-state.ts";
import { KEY_SPACES, seqKey, seqOfKey, seqRange } from "./keyspace.ts";
import { readRaw } from "./store-reads.ts";
import { chargedBytes, type StoreCore } from "./store-core.ts";
import { valueOf } from "./tolerant-reads.ts";
import type { ChainId, OfferedBatch } from "./types.ts";

/** What start-up had to repair. Empty after any crash of the program alone. */
export interface RecoveryNote {
  readonly chain: ChainId;
  readonly action: /** Batches were found behind the recorded head and belong to it. */
    | "rolled-forward"
    /** The recorded tail was not all there. The duty `epoch` says so too, until it is done. */
    | "rolled-back"
    /** The payload of the head was not there; its header stays. The duty `loss` says so too, until it is done. */
    | "payload-lost"
    /** What the store knew of the chain did not decode and was worked out anew from its headers. */
    | "state-rebuilt";
  readonly seqs: Ranges;
}

/** Chains whose tail is checked at start: those written last. A crash cannot reach what was written long before. */
const TAILS_CHECKED = 256;

/**
 * Checks the tail of the chains written last. A LevelDB batch is atomic and was synced before anyone heard of it, and a
 * chain's state is in the same batch as what it describes, so after a crash the two agree: one look at the head of each
 * chain, its hash, its payload and the place behind it is enough. What this guards against is a disk that lost or
 * altered what it had confirmed.
 *
 * Where only the payload of the head is bad, the signed header stays and the chain goes on. Where the header is, the
 * chain goes back to its last good one, and since somebody may hold the batches that are gone, the lane must begin a new
 * epoch: a duty in the same write. A ledger needs none; whoever has the batches sends them again.
 */
export async function checkTails(
  core: StoreCore,
  append: (chain: ChainId, batches: readonly OfferedBatch[]) => Promise<boolean>,
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
    }
    const now = entry.working.head;
    if (now === undefined) continue;
    if (!(await hasPayload(core, entry, now.seq))) {
      await giveUpPayload(core, entry, now.seq);
      notes.push({ chain: id, action: "payload-lost", seqs: [[now.seq, now.seq]] });
    }
    if (lost !== undefined) continue;
    const behind = await batchesBehind(core, entry, head.seq);
    if (behind.length === 0) continue;
    if (await append(id, behind)) {
      notes.push({ chain: id, action: "rolled-forward", seqs: [[head.seq + 1, head.seq + behind.length]] });
    } else {
      await removeBehind(core, entry, head.seq);
    }
  }
  return notes;
}

/** The held seqs at the end whose header is not good, or undefined when that of the head is. */
async function lostTail(core: StoreCore, entry: ChainEntry): Promise<Range | undefined> {
  const { head, held } = entry.working;
  if (head === undefined || (await goodHeader(core, entry, head.seq, head.hash)) !== undefined) return undefined;
  for (const [first, last] of held.toReversed()) {
    for (let seq = last; seq >= first; seq--) {
      if (seq < head.seq && (await goodHeader(core, entry, seq)) !== undefined) return [seq + 1, head.seq];
    }
  }
  return [held[0]?.[0] ?? head.seq, head.seq];
}

async function goodHeader(
  core: StoreCore,
  entry: ChainEntry,
  seq: number,
  hash?: Uint8Array,
): Promise<BatchHeader | undefined> {
  const header = await valueOf(core.database, seqKey(KEY_SPACES.header, entry.working.key, seq));
  const read = header === undefined ? undefined : decodeHeader(header);
  if (read?.ok !== true || read.value.position.seq !== seq) return undefined;
  if (hash !== undefined && Buffer.compare(headerHash(header!), hash) !== 0) return undefined;
  return read.value;
}

async function hasPayload(core: StoreCore, entry: ChainEntry, seq: number): Promise<boolean> {
  if (contains(entry.working.evicted, seq)) return true;
  const { header, payload } = await readRaw(core, entry, seq);
  return header !== undefined && payload !== undefined && checkBatch({ header, payload }).ok;
}

/** Whole batches behind the head that link to each other and check out. */
async function batchesBehind(core: StoreCore, entry: ChainEntry, head: number): Promise<OfferedBatch[]> {
  const range = seqRange(KEY_SPACES.header, entry.working.key, head + 1, Number.MAX_SAFE_INTEGER);
  const batches: OfferedBatch[] = [];
  for (const [key] of await core.database.page(range, 1000, 1 << 20)) {
    const seq = seqOfKey(key);
    const { header, payload = null } = await readRaw(core, entry, seq);
    if (header === undefined || !checkBatch({ header, payload }).ok || seq !== head + 1 + batches.length) break;
    batches.push({ header, payload });
  }
  if (batches.length === 0) await removeBehind(core, entry, head);
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

/** Keeps the header of the head and marks its payload as given up. */
async function giveUpPayload(core: StoreCore, entry: ChainEntry, seq: number): Promise<void> {
  const state = entry.working;
  const position = (await goodHeader(core, entry, seq))?.position;
  const { count: records, size: bytes } = position ?? { count: 0, size: 0 };
  const draft: ChainDraft = { ...state, evicted: withSeq(state.evicted, seq) };
  draft.bytes -= bytes;
  draft.records -= records;
  const acknowledged = contains(state.acknowledged, seq);
  if (!acknowledged) {
    draft.unacknowledgedBytes -= bytes;
    draft.unacknowledgedRecords -= records;
  }
  core.space.account(-bytes);
  await core.writeRepair(async (group) => {
    group.delete(seqKey(KEY_SPACES.payload, state.key, seq));
    core.touch(group, entry, draft);
    // What a receipt names is not lost.
    if (acknowledged) return;
    core.duties.add(group, { kind: "loss", chain: state.id, seqs: [[seq, seq]], records, bytes });
  });
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
    // All before it is linked, so that its predecessor is the newest that is held.
    draft.linked = newest === undefined ? 0 : lost[0];
    draft.linkedHead = draft.head?.hash;
  }
  core.space.account(chargedBytes(draft.bytes, countOf(draft.held)) - chargedBytes(state.bytes, countOf(state.held)));
  await core.writeRepair(async (group) => {
    for (let seq = lost[0]; seq <= lost[1]; seq++) {
      group.delete(seqKey(KEY_SPACES.header, state.key, seq));
      group.delete(seqKey(KEY_SPACES.payload, state.key, seq));
    }
    core.touch(group, entry, draft);
    if (core.arrivalLog) core.revocations.add(group, state.id, { before: core.logEnd, seqs: [lost] });
    if (core.outOfOrder || !isLatest(core, state.id)) return;
    const last = draft.head ?? null;
    core.duties.add(group, { kind: "epoch", chain: state.id, seqs: [lost], last });
  });
}

/** Nothing goes on in an earlier epoch, so there is nothing to end. */
export function isLatest(core: StoreCore, { gateway, lane, epoch }: ChainId): boolean {
  for (const { working } of core.chains.values()) {
    const { id } = working;
    if (id.lane === lane && id.epoch > epoch && Buffer.compare(id.gateway, gateway) === 0) return false;
  }
  return true;
}

async function count(core: StoreCore, entry: ChainEntry, draft: ChainDraft, seq: number): Promise<void> {
  const header = await valueOf(core.database, seqKey(KEY_SPACES.header, draft.key, seq));
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
  const header = await valueOf(core.database, seqKey(KEY_SPACES.header, entry.working.key, seq));
  return header === undefined ? undefined : { seq, hash: Uint8Array.from(headerHash(header)) };
}
