import type { VirtualClock } from "@paddock/base/clock.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { KeyValueDatabase } from "@paddock/store/database.ts";
import { memoryDatabase } from "@paddock/store/testing/memory-database.ts";
import type { ChainId, StoredBatch, StoreWrite } from "@paddock/store/types.ts";
import { decodeGatewayRecord, type GatewayRecord } from "@paddock/wire/gateway-record.ts";
import { decodeRecords, FORMAT_GATEWAY, type BatchRecord } from "@paddock/wire/record.ts";
import { commitStoreOf } from "../commit/chain-commit-store.ts";
import type { CommitStore } from "../commit/ports.ts";

/** A disk for tests: its writes take `writeMs` of the clock's time, and fail as a broken one's do once `failWith` is set. */
export interface TestDisk extends KeyValueDatabase {
  writeMs: number;
  failWith: unknown;
}

export function testDisk(clock: VirtualClock): TestDisk {
  const inner = memoryDatabase();
  const disk: TestDisk = {
    ...inner,
    writeMs: 0,
    failWith: undefined,
    async batch(operations, options) {
      // The commit loop uses its buffers again after the write.
      const copied = operations.map((operation) =>
        operation.type === "put" ? { ...operation, value: Buffer.from(operation.value) } : operation,
      );
      if (disk.writeMs > 0) await new Promise<void>((done) => void clock.after(disk.writeMs, done));
      if (disk.failWith !== undefined) throw disk.failWith;
      await inner.batch(copied, options);
    },
  };
  return disk;
}

/** The real store over a test disk, with every write that it took written down. */
export class TestStore {
  readonly chains: ChainStore;
  readonly commit: CommitStore;
  readonly writes: StoreWrite[] = [];

  private constructor(chains: ChainStore) {
    this.chains = chains;
    const commit = commitStoreOf(chains);
    this.commit = {
      ...commit,
      append: async (write) => {
        const batches = write.batches.map((batch) => ({
          ...batch,
          payload: batch.payload === null ? null : Buffer.from(batch.payload),
        }));
        const outcome = await commit.append(write);
        if (outcome.ok) this.writes.push({ ...write, batches });
        return outcome;
      },
    };
  }

  static async open(
    disk: KeyValueDatabase,
    clock: VirtualClock,
    { maxBytes = 1 << 30, freeBytes }: { maxBytes?: number; freeBytes?: () => number } = {},
  ): Promise<TestStore> {
    const limits = { maxBytes, minFreeBytes: freeBytes === undefined ? 0 : 1 << 20, ballastBytes: 0 };
    const free = freeBytes === undefined ? {} : { freeBytes };
    return new TestStore(await ChainStore.open({ database: disk, ...limits, ...free, arrivalLog: false, clock }));
  }

  /** Everything of a chain that is stored. */
  async batches(id: ChainId): Promise<StoredBatch[]> {
    const batches: StoredBatch[] = [];
    for (const [first, last] of this.chains.chain(id)?.held ?? []) {
      batches.push(...(await this.chains.read(id, first, { last, maxBytes: Infinity })));
    }
    return batches;
  }

  async records(id: ChainId): Promise<BatchRecord[]> {
    return (await this.batches(id)).flatMap(({ payload }) => recordsOf(payload));
  }
}

export function recordsOf(payload: Uint8Array | null): BatchRecord[] {
  return payload === null ? [] : expectAccepted(decodeRecords(payload));
}

/** The gateway's own records among others. */
export function ownOf(records: readonly BatchRecord[]): GatewayRecord[] {
  const own = records.filter((record) => record.format === FORMAT_GATEWAY);
  return own.map((record) => expectAccepted(decodeGatewayRecord(record.frame)));
}

/** Lets `ms` of virtual time pass in steps, each with time for what the store does. */
export async function letPass(clock: VirtualClock, ms: number, stepMs = 0.5): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs);
    await new Promise((done) => void setImmediate(done));
  }
}

/** Lets time pass until the promise is settled, and returns its value. */
export async function settled<Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> {
  const state = { open: true };
  const close = (): void => void (state.open = false);
  promise.then(close, close);
  for (let step = 0; state.open && step < 100_000; step++) await letPass(clock, 0.5);
  if (state.open) throw new Error("what was waited for does not come");
  return promise;
}
