import { contains, countOf, intersect, subtract, union, type Ranges } from "@paddock/base/ranges.ts";
import { headerHash, sealHeader, sha256 } from "@paddock/wire/batch-header.ts";
import { encodedBatchSize, type EncodedBatch } from "@paddock/wire/batch.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import { chainNumber } from "../forward-state.ts";
import type { BatchSource, ChainBacklog, ChainName } from "../ports.ts";

interface MemoryChain extends ChainName {
  readonly batches: EncodedBatch[];
  readonly counts: number[];
  readonly sizes: number[];
  acknowledged: Ranges;
  head: Uint8Array | null;
  bytesLeft: number;
  recordsLeft: number;
}

const SENSOR = encodeSource("test-sensor");

/** A batch source in memory with really signed chains; for tests and benchmarks. */
export class MemorySource implements BatchSource {
  readonly identity: SigningIdentity;
  readonly #chains = new Map<number, MemoryChain>();
  #onSealed: (lane: Lane, epoch: number, seq: number) => void = () => {};

  constructor(identity: SigningIdentity) {
    this.identity = identity;
  }

  /** Seals a batch of `frames` into the chain and returns its seq. */
  seal(lane: Lane, frames: readonly Uint8Array[], epoch = 0): number {
    const chain = this.chain(lane, epoch);
    const seq = chain.batches.length;
    const payload = packRecords(frames);
    const header = sealHeader(
      this.identity,
      {
        lane,
        epoch,
        seq,
        previous: seq === 0 && epoch === 0 ? null : (chain.head ?? new Uint8Array(32)),
        count: frames.length,
        size: payload.length,
        boot: 1,
        monotonic: seq,
        wall: 1_700_000_000_000,
        clock: 2,
      },
      sha256(payload),
    );
    const batch = { header, payload };
    chain.batches.push(batch);
    chain.counts.push(frames.length);
    chain.sizes.push(encodedBatchSize(batch));
    chain.bytesLeft += encodedBatchSize(batch);
    chain.recordsLeft += frames.length;
    chain.head = headerHash(header);
    this.#onSealed(lane, epoch, seq);
    return seq;
  }

  /** Forgets every receipt, as a restored backup does. */
  forgetReceipts(): void {
    for (const chain of this.#chains.values()) {
      chain.acknowledged = [];
      chain.bytesLeft = chain.sizes.reduce((sum, size) => sum + size, 0);
      chain.recordsLeft = chain.counts.reduce((sum, count) => sum + count, 0);
    }
  }

  chain(lane: Lane, epoch = 0): MemoryChain {
    const key = chainNumber({ lane, epoch });
    let chain = this.#chains.get(key);
    if (chain === undefined) {
      chain = {
        lane,
        epoch,
        batches: [],
        counts: [],
        sizes: [],
        acknowledged: [],
        head: null,
        bytesLeft: 0,
        recordsLeft: 0,
      };
      this.#chains.set(key, chain);
    }
    return chain;
  }

  pendingCount(): number {
    return this.backlog().reduce((sum, chain) => sum + countOf(chain.pending), 0);
  }

  backlog(): readonly ChainBacklog[] {
    return [...this.#chains.values()].map((chain) => ({
      lane: chain.lane,
      epoch: chain.epoch,
      pending: subtract(allOf(chain), chain.acknowledged),
      bytes: chain.bytesLeft,
      records: chain.recordsLeft,
    }));
  }

  async read(name: ChainName, first: number, last: number, maxBytes: number): Promise<readonly EncodedBatch[]> {
    const chain = this.chain(name.lane, name.epoch);
    const batches: EncodedBatch[] = [];
    let bytes = 0;
    for (let seq = first; seq <= last && seq < chain.batches.length; seq++) {
      bytes += chain.sizes[seq]!;
      if (contains(chain.acknowledged, seq) || (batches.length > 0 && bytes > maxBytes)) break;
      batches.push(chain.batches[seq]!);
    }
    return batches;
  }

  async acknowledge(_asked: ChainName, receipt: Receipt, _encoded: Uint8Array, confirmed: Ranges): Promise<void> {
    const chain = this.chain(receipt.lane, receipt.epoch);
    const named = union(confirmed, subtract(receipt.held, receipt.bare));
    const fresh = subtract(intersect(named, allOf(chain)), chain.acknowledged);
    for (const [first, last] of fresh) {
      for (let seq = first; seq <= last; seq++) {
        chain.bytesLeft -= chain.sizes[seq]!;
        chain.recordsLeft -= chain.counts[seq]!;
      }
    }
    chain.acknowledged = union(chain.acknowledged, fresh);
  }

  onSealed(callback: (lane: Lane, epoch: number, seq: number) => void): void {
    this.#onSealed = callback;
  }
}

function allOf(chain: MemoryChain): Ranges {
  return chain.batches.length === 0 ? [] : [[0, chain.batches.length - 1]];
}

function packRecords(frames: readonly Uint8Array[]): Buffer {
  const bytes = frames.reduce((sum, frame) => sum + recordSize(0, SENSOR, 112, frame.length), 0);
  const payload = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) at = writeRecord(payload, at, 0, SENSOR, 112, frame);
  return payload;
}
