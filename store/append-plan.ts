import { contains, intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { decodeHeader, headerHash, type BatchHeader } from "@paddock/wire/batch-header.ts";
import { decodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { decodeRecords, FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import { factsOf, type BatchFacts } from "./batch-facts.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { EVICTED_RUNS_MAX, rangeAround, RUNS_MAX, withSeq, type ChainDraft } from "./chain-state.ts";
import { BATCH_OVERHEAD_BYTES } from "./space-guard.ts";
import type { ChainId, OfferedBatch, StoreWrite, WriteOutcome } from "./types.ts";

export type Refusal = Extract<WriteOutcome, { ok: false }>;

/** What planning may look at. Nothing that it does changes the store. */
export interface PlanningPorts {
  /** Whether batches may arrive ahead of their predecessors, as they do at a collector. */
  readonly outOfOrder: boolean;
  /** The chain, made up empty when it is new. */
  entry(id: ChainId): ChainEntry;
  /** Whether the chain lost batches that others may hold: going on would fork it. */
  mustEnd(id: ChainId): boolean;
  facts(entry: ChainEntry, seq: number): Promise<BatchFacts>;
  factsOfRanges(entry: ChainEntry, ranges: Ranges): AsyncIterable<[seq: number, facts: BatchFacts]>;
  /** The stored header, for evidence. */
  header(entry: ChainEntry, seq: number): Promise<Uint8Array>;
  /** A stored batch whose payload is what its header says, or undefined. */
  whole(entry: ChainEntry, seq: number): Promise<WholeBatch | undefined>;
}

export interface WholeBatch {
  readonly header: Uint8Array;
  readonly decoded: BatchHeader;
  readonly payload: Uint8Array;
}

/** What the first batch of a later epoch, which was here first, says of a batch of this one. */
interface Claim {
  readonly chain: ChainId;
  readonly header: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array | null;
}

/** Later epochs that are asked what they follow. A gateway begins the next one after the last one that it knows of. */
const LATER_EPOCHS = 8;

/** A batch that the write adds, or whose payload it adds. */
export interface PlannedBatch {
  readonly seq: number;
  readonly batch: OfferedBatch;
  readonly facts: BatchFacts;
  /** False when only the payload is new. */
  readonly newHeader: boolean;
}

/** The whole effect of one write, ready to be applied or thrown away. */
export interface AppendPlan {
  readonly ok: true;
  readonly entry: ChainEntry;
  readonly drafts: ReadonlyMap<ChainEntry, ChainDraft>;
  readonly added: readonly PlannedBatch[];
  readonly evicted: readonly { readonly entry: ChainEntry; readonly seqs: Ranges; readonly bytes: number }[];
  readonly stored: Ranges;
  readonly repeated: Ranges;
  /** Bytes that the write puts, and by how much what is held grows; less when it evicts. */
  readonly written: number;
  readonly growth: number;
}

/** Checks one write against the chains and works out its effect. The first batch at fault refuses the whole write. */
export async function planAppend(write: StoreWrite, ports: PlanningPorts): Promise<AppendPlan | Refusal> {
  const planning = new AppendPlanning(write, ports);
  return planning.run();
}

class AppendPlanning {
  readonly #write: StoreWrite;
  readonly #ports: PlanningPorts;
  readonly #entry: ChainEntry;
  readonly #draft: ChainDraft;
  readonly #drafts = new Map<ChainEntry, ChainDraft>();
  readonly #newFacts = new Map<number, PlannedBatch>();
  readonly #added: PlannedBatch[] = [];
  readonly #evicted: { entry: ChainEntry; seqs: Ranges; bytes: number }[] = [];
  #claims: readonly Claim[] | undefined;
  #stored: Ranges = [];
  #repeated: Ranges = [];
  #written = 0;
  #freed = 0;

  constructor(write: StoreWrite, ports: PlanningPorts) {
    this.#write = write;
    this.#ports = ports;
    this.#entry = ports.entry(write.chain);
    this.#draft = this.#draftOf(this.#entry);
  }

  async run(): Promise<AppendPlan | Refusal> {
    if (this.#write.batches.length > 0 && this.#ports.mustEnd(this.#write.chain)) {
      return refused("link", `Epoch ${this.#write.chain.epoch} lost its end after damage; only a new epoch may go on.`);
    }
    for (const batch of this.#write.batches) {
      const refusal = await this.#add(batch);
      if (refusal !== undefined) return refusal;
    }
    for (const { chain, seqs } of this.#write.evict ?? []) {
      const entry = this.#ports.entry(chain);
      const [named] = intersect(seqs, entry.working.acknowledged);
      if (named !== undefined) return refused("acknowledged", `A receipt names batch ${named[0]}: it is not lost.`);
      await this.#evict(entry, seqs);
    }
    const tooMany = this.#checkRuns();
    if (tooMany !== undefined) return tooMany;
    return {
      ok: true,
      entry: this.#entry,
      drafts: this.#drafts,
      added: this.#added,
      evicted: this.#evicted,
      stored: this.#stored,
      repeated: this.#repeated,
      written: this.#written,
      growth: this.#written - this.#freed,
    };
  }

  /** What could not be read again is not written. A chain that is over a bound already may still shrink. */
  #checkRuns(): Refusal | undefined {
    for (const [{ working }, draft] of this.#drafts) {
      for (const [what, maxRuns] of [["held", RUNS_MAX] as const, ["evicted", EVICTED_RUNS_MAX] as const]) {
        const runs = draft[what].length;
        if (runs <= maxRuns || runs <= working[what].length) continue;
        const why = what === "held" ? "gaps; fill some first" : "evicted runs; only a new epoch or whole payloads fit";
        return {
          ...refused("full", `The chain has more than ${maxRuns} ${why}.`),
          shortage: { cause: "chain", runs, maxRuns },
        };
      }
    }
    return undefined;
  }

  async #add(batch: OfferedBatch): Promise<Refusal | undefined> {
    const read = batch.decoded === undefined ? decodeHeader(batch.header) : { ok: true as const, value: batch.decoded };
    if (!read.ok) return refused("batch", read.detail);
    const { seq, size } = read.value.position;
    const problem = this.#misplaced(read.value, batch);
    if (problem !== undefined) return refused("batch", `Batch ${seq}: ${problem}`);
    const hash = batch.hash ?? headerHash(batch.header);
    if (contains(this.#draft.held, seq)) return this.#again(batch, read.value, hash);
    if (contains(this.#draft.trimmed, seq)) return this.#afterTrim(batch, seq, hash);
    const link = await this.#checkLinks(batch, read.value, hash);
    if (link !== undefined) return link;

    const planned = { seq, batch, facts: factsOf(batch.header, read.value, hash), newHeader: true };
    const draft = this.#draft;
    draft.held = withSeq(draft.held, seq);
    if (batch.payload === null) draft.evicted = withSeq(draft.evicted, seq);
    if (draft.head === undefined || seq > draft.head.seq) draft.head = { seq, hash: planned.facts.hash };
    this.#count(planned, batch.header.length + (batch.payload === null ? 0 : size));
    this.#written += BATCH_OVERHEAD_BYTES;
    if (seq === draft.linked) await this.#advanceLinked(seq);
    return undefined;
  }

  #count(planned: PlannedBatch, bytes: number): void {
    const draft = this.#draft;
    const records = planned.batch.payload === null ? 0 : planned.facts.count;
    draft.bytes += bytes;
    draft.records += records;
    if (!contains(draft.acknowledged, planned.seq)) {
      draft.unacknowledgedBytes += bytes;
      draft.unacknowledgedRecords += records;
    }
    this.#newFacts.set(planned.seq, planned);
    this.#added.push(planned);
    this.#stored = withSeq(this.#stored, planned.seq);
    this.#written += bytes;
  }

  #misplaced({ gateway, position }: BatchHeader, batch: OfferedBatch): string | undefined {
    const { chain } = this.#write;
    if (Buffer.compare(gateway, chain.gateway) !== 0) return "it is of another gateway.";
    if (position.lane !== chain.lane) return `it is of lane ${position.lane}, not ${chain.lane}.`;
    if (position.epoch !== chain.epoch) return `it is of epoch ${position.epoch}, not ${chain.epoch}.`;
    if (batch.payload !== null && batch.payload.length !== position.size) {
      return `its payload has ${batch.payload.length} bytes, its header says ${position.size}.`;
    }
    return undefined;
  }

  /** A header is held at that seq already. */
  async #again(batch: OfferedBatch, header: BatchHeader, hash: Uint8Array): Promise<Refusal | undefined> {
    const { seq, epoch } = header.position;
    const facts = await this.#facts(seq);
    if (Buffer.compare(facts.hash, hash) !== 0) return this.#fork(batch, seq);
    if (batch.payload !== null && contains(this.#draft.evicted, seq)) {
      // Only the payload says which head the epoch follows.
      const refusal = seq === 0 && epoch > 0 ? await this.#checkEpochLink(batch, header) : undefined;
      if (refusal !== undefined) return refusal;
      this.#draft.evicted = subtract(this.#draft.evicted, [[seq, seq]]);
      this.#count({ seq, batch, facts, newHeader: false }, batch.payload.length);
    } else if (!contains(this.#stored, seq)) {
      this.#repeated = withSeq(this.#repeated, seq);
    }
    return undefined;
  }

  /** Its header is gone, but the next one, if held, names the hash that it had. */
  async #afterTrim(batch: OfferedBatch, seq: number, hash: Uint8Array): Promise<Refusal | undefined> {
    const known = contains(this.#draft.held, seq + 1) ? (await this.#facts(seq + 1)).previous : undefined;
    if (known !== undefined && known !== null && Buffer.compare(known, hash) === 0) {
      this.#repeated = withSeq(this.#repeated, seq);
      return undefined;
    }
    if (known !== undefined) return this.#fork(batch, seq, await this.#header(seq + 1));
    return refused("link", `Batch ${seq} was stored, acknowledged and trimmed; it cannot be compared any more.`);
  }

  async #fork(batch: OfferedBatch, seq: number, witness?: Uint8Array): Promise<Refusal> {
    const stored = witness ?? (await this.#header(seq));
    return {
      ...refused("fork", `Another header is stored at seq ${seq}.`),
      evidence: { chain: this.#write.chain, seq, stored, offered: batch.header },
    };
  }

  async #checkLinks(batch: OfferedBatch, header: BatchHeader, hash: Uint8Array): Promise<Refusal | undefined> {
    const { seq, epoch, previous } = header.position;
    const draft = this.#draft;
    const next = draft.head === undefined ? 0 : draft.head.seq + 1;
    if (!this.#ports.outOfOrder && seq !== next) {
      return refused("link", `Batch ${seq} does not follow: the next one is ${next}.`);
    }
    const epochLink = seq === 0 && epoch > 0 ? await this.#checkEpochLink(batch, header) : undefined;
    if (epochLink !== undefined) return epochLink;
    if (seq > 0 && contains(draft.held, seq - 1)) {
      const left = seq - 1 === draft.head?.seq ? draft.head.hash : (await this.#facts(seq - 1)).hash;
      if (previous === null || Buffer.compare(left, previous) !== 0) return this.#mislinked(batch, seq, seq - 1);
    }
    if (contains(draft.held, seq + 1)) {
      const right = (await this.#facts(seq + 1)).previous;
      if (right === null || Buffer.compare(right, hash) !== 0) return this.#mislinked(batch, seq, seq + 1);
    }
    return this.#ports.outOfOrder ? this.#checkClaims(batch, seq, hash) : undefined;
  }

  /** The other order of `#checkEpochLink`: the later epoch was here before the batch that it follows. */
  async #checkClaims(batch: OfferedBatch, seq: number, hash: Uint8Array): Promise<Refusal | undefined> {
    this.#claims ??= await this.#claimsOfLaterEpochs();
    for (const claim of this.#claims) {
      if (claim.seq !== seq || (claim.hash !== null && Buffer.compare(claim.hash, hash) === 0)) continue;
      return {
        ...refused("link", `Epoch ${claim.chain.epoch}, here already, names another batch ${seq} as what it follows.`),
        evidence: { chain: claim.chain, seq: 0, stored: claim.header, offered: batch.header },
      };
    }
    return undefined;
  }

  async #claimsOfLaterEpochs(): Promise<readonly Claim[]> {
    const { chain } = this.#write;
    const claims: Claim[] = [];
    const last = Math.min(chain.epoch + LATER_EPOCHS, 0xffff_ffff);
    for (let epoch = chain.epoch + 1; epoch <= last; epoch++) {
      const later = this.#ports.entry({ ...chain, epoch });
      const { held, evicted } = later.working;
      if (!contains(held, 0) || contains(evicted, 0)) continue;
      const first = await this.#ports.whole(later, 0);
      const named = first && epochChange(first.payload);
      if (first === undefined || named?.epoch !== chain.epoch || named.lastSeq === null) continue;
      const hash = first.decoded.position.previous;
      claims.push({ chain: later.working.id, header: first.header, seq: named.lastSeq, hash });
    }
    return claims;
  }

  async #mislinked(batch: OfferedBatch, seq: number, neighbour: number): Promise<Refusal> {
    const stored = await this.#header(neighbour);
    return {
      ...refused("link", `Batch ${seq} and the stored batch ${neighbour} do not link.`),
      evidence: { chain: this.#write.chain, seq: neighbour, stored, offered: batch.header },
    };
  }

  /**
   * The first batch of a later epoch names the last head that the gateway knew of an earlier one; its epoch-change
   * record says which. That may not be the last one that this store holds: the gateway may have lost more than it kept.
   */
  async #checkEpochLink(batch: OfferedBatch, { position }: BatchHeader): Promise<Refusal | undefined> {
    const { gateway, lane } = this.#write.chain;
    const named = batch.payload === null ? undefined : epochChange(batch.payload);
    if (named !== undefined && named.epoch >= position.epoch) {
      return refused("link", `Epoch ${position.epoch} says that it follows epoch ${named.epoch}.`);
    }
    const earlier = this.#ports.entry({ gateway, lane, epoch: named?.epoch ?? position.epoch - 1 });
    const { held, head } = earlier.working;
    let last = named?.lastSeq ?? undefined;
    if (named === undefined && !this.#ports.outOfOrder) last = head?.seq;
    if (last === undefined || !contains(held, last)) return undefined;
    const known = (await this.#ports.facts(earlier, last)).hash;
    if (position.previous !== null && Buffer.compare(known, position.previous) === 0) return undefined;
    const stored = await this.#ports.header(earlier, last);
    return {
      ...refused("link", `Epoch ${position.epoch} does not link to the head of the epoch that it names.`),
      evidence: { chain: earlier.working.id, seq: last, stored, offered: batch.header },
    };
  }

  async #advanceLinked(seq: number): Promise<void> {
    const draft = this.#draft;
    const last = rangeAround(draft.held, seq)![1];
    draft.linked = last + 1;
    draft.linkedHead = (await this.#facts(last)).hash;
  }

  async #evict(entry: ChainEntry, seqs: Ranges): Promise<void> {
    const draft = this.#draftOf(entry);
    let targets = subtract(intersect(seqs, draft.held), draft.evicted);
    // A batch that this very write stores is not on its way out.
    if (entry === this.#entry) targets = subtract(targets, this.#stored);
    if (targets.length === 0) return;
    let bytes = 0;
    for await (const [seq, facts] of this.#ports.factsOfRanges(entry, targets)) {
      bytes += facts.payloadBytes;
      draft.records -= facts.count;
      if (contains(draft.acknowledged, seq)) continue;
      draft.unacknowledgedBytes -= facts.payloadBytes;
      draft.unacknowledgedRecords -= facts.count;
    }
    draft.bytes -= bytes;
    draft.evicted = union(draft.evicted, targets);
    this.#evicted.push({ entry, seqs: targets, bytes });
    this.#freed += bytes;
  }

  #draftOf(entry: ChainEntry): ChainDraft {
    let draft = this.#drafts.get(entry);
    if (draft === undefined) this.#drafts.set(entry, (draft = { ...entry.working }));
    return draft;
  }

  async #facts(seq: number): Promise<BatchFacts> {
    return this.#newFacts.get(seq)?.facts ?? this.#ports.facts(this.#entry, seq);
  }

  async #header(seq: number): Promise<Uint8Array> {
    return this.#newFacts.get(seq)?.batch.header ?? this.#ports.header(this.#entry, seq);
  }
}

export function refused(reason: Refusal["reason"], detail: string): Refusal {
  return { ok: false, reason, detail };
}

function epochChange(payload: Uint8Array): { epoch: number; lastSeq: number | null } | undefined {
  const records = decodeRecords(payload);
  const first = records.ok ? records.value[0] : undefined;
  if (first?.format !== FORMAT_GATEWAY) return undefined;
  const record = decodeGatewayRecord(first.frame);
  if (!record.ok || record.value.kind !== "epoch-change") return undefined;
  return { epoch: record.value.previousEpoch, lastSeq: record.value.lastSeq };
}
