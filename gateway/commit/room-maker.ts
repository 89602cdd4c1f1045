import type { Shortage } from "@paddock/store/types.ts";
import type { LaneWriter } from "./lane-writer.ts";
import type { LossPlan } from "./loss-book.ts";
import type { CommitStore } from "./ports.ts";
import type { RoomBargain } from "./room-bargain.ts";
import { victims } from "./victim-lanes.ts";

export interface RoomMakerOptions {
  readonly store: CommitStore;
  /** By lane. */
  readonly writers: readonly LaneWriter[];
  /** Payload bytes that one eviction frees at least. */
  readonly evictionBytesMin: number;
}

/**
 * Makes room in a full store: what is acknowledged goes first, then whose turn it is gives up its oldest payloads.
 *
 * Where the disk is full and not the quota, nothing that is deleted helps until it is compacted. So that comes first, and
 * after an eviction that gave the disk nothing back no further one is tried before something else freed room.
 */
export class RoomMaker {
  readonly #options: RoomMakerOptions;
  /** Evicted for the disk's sake, and not compacted yet. */
  #evictedForDisk = false;
  /** Evicting gave the disk nothing back. */
  #futile = false;

  constructor(options: RoomMakerOptions) {
    this.#options = options;
  }

  /** Something freed room: evicting may help again. */
  roomFreed(): void {
    this.#futile = false;
  }

  /** For `asking`, which needs `bytes`: what to give up in its own write, `freed` (try again) or `none`. */
  async makeRoom(asking: RoomBargain, bytes: number, shortage: Shortage): Promise<LossPlan | "freed" | "none"> {
    const { store } = this.#options;
    if (shortage.cause === "chain") return "none";
    const trimmed = await store.trim();
    if (shortage.cause === "quota") return trimmed > 0 ? "freed" : this.#evict(asking, bytes);
    if ((await store.compact()) > 0) {
      this.#evictedForDisk = false;
      this.#futile = false;
      return "freed";
    }
    this.#futile ||= this.#evictedForDisk;
    this.#evictedForDisk = false;
    if (this.#futile) return "none";
    const evicted = await this.#evict(asking, bytes);
    this.#evictedForDisk = evicted !== "none";
    return evicted;
  }

  async #evict(asking: RoomBargain, bytes: number): Promise<LossPlan | "freed" | "none"> {
    const { store, writers, evictionBytesMin } = this.#options;
    const bytesByLane = writers.map(({ sealer }) =>
      sealer.chains().reduce((sum, chain) => sum + (store.chain(chain)?.bytes ?? 0), 0),
    );
    const settings = writers.map((writer) => writer.settings);
    const wanted = Math.max(bytes, evictionBytesMin);
    const lane = writers.findIndex(({ room }) => room === asking);
    for (const victim of victims(writers[lane]!.sealer.chain.lane, bytesByLane, settings)) {
      const { room } = writers[victim]!;
      if (room === asking) {
        const plan = await room.planOf(wanted);
        if (plan.evictions.length > 0) return plan;
      } else if (await asking.askOther(room, wanted)) return "freed";
    }
    return "none";
  }
}
