import { accept, expectAccepted } from "@paddock/base/outcome.ts";
import type { Range } from "@paddock/base/ranges.ts";
import type { ChainId, ChainSummary, StoreWrite, WriteOutcome } from "@paddock/store/types.ts";
import { checkBatch, type CheckedBatch } from "@paddock/wire/batch.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import { headerHash } from "@paddock/wire/batch-header.ts";
import type { PlannedEviction } from "@paddock/store/eviction-policy.ts";
import type { CommitStore } from "../commit/ports.ts";

interface Chain {
  readonly id: ChainId;
  readonly batches: (CheckedBatch & { payload: Uint8Array | null })[];
  trimmed: number;
}

/** The commit loop's store for tests: a quota, writes that take as long as the test says, every link checked. */
export class MemoryCommitStore implements CommitStore {
  readonly chains = new Map<string, Chain>();
  readonly writes: StoreWrite[] = [];
  readonly side = new Map<string, Uint8Array>();
  maxBytes: number;
  /** Seqs below this count as acknowledged and go with the next trim. */
  acknowledgedBelow = 0;
  /** Makes the next write fail as a broken disk does. */
  failWith: unknown;
  #delay: (done: () => void) => void;

  constructor(options: { maxBytes?: number; delay?: (done: () => void) => void } = {}) {
    this.maxBytes = options.maxBytes ?? Number.MAX_SAFE_INTEGER;
    this.#delay = options.delay ?? ((done) => done());
  }

  async append(write: StoreWrite): Promise<WriteOutcome> {
    // What is not copied now may change under a store that goes on after the write: the loop recycles its buffers.
    const batches = write.batches.map(({ header, payload }) =>
      expectAccepted(
        checkBatch({ header: Buffer.from(header), payload: payload === null ? null : Buffer.from(payload) }),
      ),
    );
    await new Promise<void>((done) => this.#delay(done));
    if (this.failWith !== undefined) throw this.failWith;
    const evicting = (write.evict ?? []).flatMap((eviction) => this.#select(eviction.chain, eviction.seqs));
    const freed = evicting.reduce((sum, batch) => sum + batch.payload!.length, 0);
    const added = batches.reduce((sum, batch) => sum + batch.header.length + batch.payload!.length, 0);
    if (this.bytes() + added - freed > this.maxBytes)
      return { ok: false, reason: "full", detail: "the quota is reached" };
    const chain = this.#chain(write.chain);
    for (const batch of batches) {
      const { seq, previous } = batch.decoded.position;
      const last = chain.batches.at(-1);
      if (seq !== chain.batches.length) throw new Error(`seq ${seq} does not follow ${chain.batches.length - 1}`);
      const link = last === undefined ? (write.chain.epoch === 0 ? null : previous) : headerHash(last.header);
      if (Buffer.compare(previous ?? Buffer.alloc(0), link ?? Buffer.alloc(0)) !== 0)
        throw new Error(`broken link at ${seq}`);
      chain.batches.push(batch);
    }
    for (const batch of evicting) batch.payload = null;
    for (const { key, value } of write.side ?? []) {
      if (value === null) this.side.delete(key);
      else this.side.set(key, value);
    }
    // The payloads of the chain may be evicted later; the write stays as it was.
    const written = batches.map(({ header, payload }) => ({ header, payload }));
    this.writes.push({ ...write, batches: written });
    return accept({ stored: [], repeated: [], logOffset: undefined });
  }

  chain(id: ChainId): ChainSummary | undefined {
    const chain = this.chains.get(keyOf(id));
    const last = chain?.batches.at(-1);
    if (chain === undefined || last === undefined) return undefined;
    const bytes = sizeOf(chain);
    return {
      id,
      head: { seq: chain.batches.length - 1, hash: headerHash(last.header) },
      held: [[chain.trimmed, chain.batches.length - 1]],
      trimmed: [],
      evicted: [],
      acknowledged: [],
      linked: chain.batches.length,
      linkedHead: undefined,
      bytes,
      records: 0,
      unacknowledgedBytes: bytes,
      unacknowledgedRecords: 0,
    };
  }

  async trim(): Promise<number> {
    const before = this.bytes();
    for (const chain of this.chains.values()) {
      chain.trimmed = Math.max(chain.trimmed, Math.min(this.acknowledgedBelow, chain.batches.length - 1));
    }
    return before - this.bytes();
  }

  latestEpoch(_gateway: Uint8Array, lane: Lane): number | undefined {
    const epochs = this.chains
      .values()
      .filter((chain) => chain.id.lane === lane)
      .map((chain) => chain.id.epoch);
    return [...epochs].toSorted((a, b) => b - a)[0];
  }

  async evictPlan(chains: readonly ChainId[], bytes: number): Promise<PlannedEviction[]> {
    const plans: PlannedEviction[] = [];
    let wanted = bytes;
    for (const id of chains) {
      const plan = this.#planOf(id, wanted);
      if (plan !== undefined) plans.push(plan);
      wanted -= plan?.bytes ?? 0;
    }
    return plans;
  }

  #planOf(id: ChainId, bytes: number): PlannedEviction | undefined {
    const chain = this.chains.get(keyOf(id));
    if (chain === undefined) return undefined;
    let freed = 0;
    let records = 0;
    let seqs: Range | undefined;
    for (const [seq, batch] of chain.batches.entries()) {
      if (seq < chain.trimmed || batch.payload === null || freed >= bytes) continue;
      seqs = [seqs?.[0] ?? seq, seq];
      freed += batch.payload.length;
      records += batch.decoded.position.count;
    }
    return seqs === undefined ? undefined : { chain: id, seqs: [seqs], records, bytes: freed };
  }

  bytes(): number {
    return this.chains.values().reduce((sum, chain) => sum + sizeOf(chain), 0);
  }

  #select(id: ChainId, seqs: readonly Range[]) {
    const chain = this.#chain(id);
    return chain.batches.filter((batch, seq) => batch.payload !== null && seqs.some(([a, b]) => seq >= a && seq <= b));
  }

  #chain(id: ChainId): Chain {
    const key = keyOf(id);
    const known = this.chains.get(key);
    if (known !== undefined) return known;
    const fresh: Chain = { id, batches: [], trimmed: 0 };
    this.chains.set(key, fresh);
    return fresh;
  }
}

function sizeOf(chain: Chain): number {
  let bytes = 0;
  for (const { header, payload } of chain.batches.slice(chain.trimmed)) bytes += header.length + (payload?.length ?? 0);
  return bytes;
}

function keyOf(id: ChainId): string {
  return `${id.lane}/${id.epoch}`;
}
