import type { Clock } from "@paddock/base/clock.ts";
import type { ChainStore } from "@paddock/store/chain-store.ts";
import type { ChainId } from "@paddock/store/types.ts";
import { decodeHeader, headerHash } from "@paddock/wire/batch-header.ts";
import type { Lane } from "@paddock/wire/lanes.ts";
import type { CommitLoop } from "./commit-loop.ts";
import type { ChainEnd } from "./ports.ts";

/** A collector that refuses everything must not cost an epoch for every answer. */
const EPOCH_PAUSE_US = 60_000_000;

export interface DivergenceOptions {
  readonly store: ChainStore;
  readonly commitLoop: Pick<CommitLoop, "changeEpoch">;
  /** SHA-256 of the gateway's public key. */
  readonly gateway: Uint8Array;
  readonly clock: Clock;
  readonly fatal: (error: unknown) => void;
}

/**
 * What follows when the collector turns out to hold another chain than the store does, because an older data directory
 * came back: the lane goes on in a new epoch, so that new frames arrive. docs/decisions/0016-new-epoch-after-divergence.md.
 */
export class Divergence {
  readonly #options: DivergenceOptions;
  /** By lane: CLOCK_MONOTONIC in µs of the last new epoch. */
  readonly #changedUs: [number, number, number] = [-Infinity, -Infinity, -Infinity];

  constructor(options: DivergenceOptions) {
    this.#options = options;
  }

  /** Never rejects. Resolves with whether a new epoch began. */
  async found(lane: Lane, epoch: number, reason: "collector-ahead" | "collector-differs" | "fork"): Promise<boolean> {
    const { store, commitLoop, gateway, clock, fatal } = this.#options;
    const nowUs = clock.monotonicUs();
    if (nowUs - this.#changedUs[lane] < EPOCH_PAUSE_US) return false;
    try {
      const end = await agreedEnd(store, { gateway, lane, epoch });
      const begun = await commitLoop.changeEpoch(lane, epoch, reason, end);
      if (begun) this.#changedUs[lane] = nowUs;
      return begun;
    } catch (error) {
      fatal(error);
      return false;
    }
  }
}

/** The newest header that a receipt names, as far as its hash is still known: its own header is there, or the next one. */
export async function agreedEnd(store: ChainStore, chain: ChainId): Promise<ChainEnd | undefined> {
  const seq = store.chain(chain)?.acknowledged.at(-1)?.[1];
  if (seq === undefined) return undefined;
  const [header] = await store.readHeaders(chain, seq, seq);
  if (header !== undefined) return { seq, hash: headerHash(header.header) };
  const [next] = await store.readHeaders(chain, seq + 1, seq + 1);
  const decoded = next === undefined ? undefined : decodeHeader(next.header);
  const hash = decoded?.ok === true ? decoded.value.position.previous : null;
  return hash === null ? undefined : { seq, hash };
}
