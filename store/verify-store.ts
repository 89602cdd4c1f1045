import type { Clock } from "@paddock/base/clock.ts";
import type { ChainStore } from "./chain-store.ts";
import { chainBytes } from "./keyspace.ts";
import type { ChainId } from "./types.ts";

/** How far a look over a store has come: kept by whoever wants to go on there after a restart. */
export interface VerifyPosition {
  /** Hex of the chain that is looked at; chains are taken in the order of these. Undefined: the chains are done. */
  readonly chain: string | undefined;
  readonly seq: number;
  /** Log offset, once the chains are done. */
  readonly offset: number;
}

export interface VerifyStoreOptions {
  /** Bytes read a second, so that a slow look over everything is not felt. */
  readonly bytesPerSecond: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Where to go on; by default at the first chain. */
  readonly from?: VerifyPosition;
  /** Told after every step. */
  readonly onStep?: (position: VerifyPosition) => void;
  /** Told of what cannot be read, and where; then the look goes on a second later behind that step. By default it throws. */
  readonly onUnreadable?: (error: unknown, at: VerifyPosition) => void;
}

export interface StoreVerification {
  readonly chains: number;
  /** Batches and bytes read. */
  readonly batches: number;
  readonly bytes: number;
  /** Batches and log places found damaged in this look. Each is told by the store's `onDamage`, once. */
  readonly damaged: number;
  /** Whether it came to the end; false when `signal` ended it. */
  readonly complete: boolean;
}

type VerifiedStore = Pick<ChainStore, "chain" | "chains" | "logEnd" | "verify" | "verifyLog">;

const BATCHES_PER_STEP = 32;
const LOG_ENTRIES_PER_STEP = 4096;
/** A disk that fails is not pressed. */
const UNREADABLE_PAUSE_MS = 1000;
/** About what a log entry takes on disk. */
const LOG_ENTRY_BYTES = 90;

/**
 * Looks over all that a store holds, slowly: every batch against its hashes and its neighbour, then whether the arrival
 * log has an entry for every offset. A disk forgets in silence; this finds it while others may still have the data.
 */
export async function verifyStore(store: VerifiedStore, options: VerifyStoreOptions): Promise<StoreVerification> {
  const { clock, signal, from, bytesPerSecond } = options;
  const totals = { chains: 0, batches: 0, bytes: 0, damaged: 0 };
  const step = async (position: VerifyPosition, bytes: number): Promise<void> => {
    totals.bytes += bytes;
    options.onStep?.(position);
    await pause(clock, (bytes / bytesPerSecond) * 1000, signal);
  };
  const read = async <Found>(at: VerifyPosition, work: Promise<Found>): Promise<Found | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (options.onUnreadable === undefined || signal?.aborted === true) throw error;
      options.onUnreadable(error, at);
      await pause(clock, UNREADABLE_PAUSE_MS, signal);
      return undefined;
    }
  };
  if (from === undefined || from.chain !== undefined) {
    const chains = store.chains().map(({ id }) => ({ id, name: chainBytes(id).toString("hex") }));
    for (const { id, name } of chains.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (from?.chain !== undefined && name < from.chain) continue;
      totals.chains++;
      let seq = from?.chain === name ? from.seq : 0;
      for (; seq <= lastOf(store, id); seq += BATCHES_PER_STEP) {
        if (signal?.aborted === true) return { ...totals, complete: false };
        const first = firstFrom(store, id, seq);
        seq = first;
        const to = seq + BATCHES_PER_STEP - 1;
        // From one before, so that the link over the border is looked at, too.
        const found = await read(
          { chain: name, seq: first, offset: 0 },
          store.verify(id, { from: Math.max(0, seq - 1), to }),
        );
        totals.batches += found?.batches ?? 0;
        totals.damaged += found?.breaks.filter((broken) => broken.seq >= first).length ?? 0;
        await step({ chain: name, seq: to + 1, offset: 0 }, found?.bytes ?? 0);
      }
    }
  }
  for (let offset = from?.chain === undefined ? (from?.offset ?? 0) : 0; offset < store.logEnd();) {
    if (signal?.aborted === true) return { ...totals, complete: false };
    const found = await read({ chain: undefined, seq: 0, offset }, store.verifyLog(offset, LOG_ENTRIES_PER_STEP));
    totals.damaged += found?.lost ?? 0;
    offset = found?.next ?? offset + LOG_ENTRIES_PER_STEP;
    await step({ chain: undefined, seq: 0, offset }, LOG_ENTRIES_PER_STEP * LOG_ENTRY_BYTES);
  }
  return { ...totals, complete: true };
}

function lastOf(store: Pick<ChainStore, "chain">, id: ChainId): number {
  return store.chain(id)?.held.at(-1)?.[1] ?? -1;
}

/** The first held seq from `seq` on: a trimmed chain is not walked from 0. */
function firstFrom(store: Pick<ChainStore, "chain">, id: ChainId, seq: number): number {
  const range = store.chain(id)?.held.find(([, last]) => last >= seq);
  return range === undefined ? seq : Math.max(range[0], seq);
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.after(ms, done);
    function done(): void {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}
